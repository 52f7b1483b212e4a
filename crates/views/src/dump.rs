//! All rows as text, to compare two files of views.

use std::io::{self, Write};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::error::{At, Error, Result};
use crate::schema::{TABLES, Table};

pub(crate) fn to_text(db: &Connection, path: &Path) -> Result<String> {
    let mut text = Vec::new();
    to_writer(db, path, &mut text)?;
    Ok(String::from_utf8(text).expect("the dump is written as text"))
}

pub(crate) fn to_writer(db: &Connection, path: &Path, to: &mut dyn Write) -> Result<()> {
    // One transaction, so that all tables are of one moment.
    let tx = db.unchecked_transaction().at(path, "read the views")?;
    TABLES.iter().try_for_each(|table| write_table(&tx, path, table, to))
}

fn write_table(db: &Connection, path: &Path, table: &Table, to: &mut dyn Write) -> Result<()> {
    const DOING: &str = "read the views";
    let output = |source| Error::Output { path: path.to_path_buf(), source };
    let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key);
    let mut statement = db.prepare(&sql).at(path, DOING)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([]).at(path, DOING)?;
    while let Some(row) = rows.next().at(path, DOING)? {
        write!(to, "{}", table.name).map_err(output)?;
        for (index, column) in columns.iter().enumerate() {
            let value = row.get_ref(index).at(path, DOING)?;
            write_value(column, value, to).map_err(output)?;
        }
        writeln!(to).map_err(output)?;
    }
    Ok(())
}

/// Nothing is written for a null, so that a column is named only where it says something.
fn write_value(column: &str, value: ValueRef<'_>, to: &mut dyn Write) -> io::Result<()> {
    match value {
        ValueRef::Null => Ok(()),
        ValueRef::Integer(number) => write!(to, " {column}={number}"),
        ValueRef::Real(number) => write!(to, " {column}={number:?}"),
        ValueRef::Text(text) => write!(to, " {column}={:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            write!(to, " {column}=x")?;
            bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
        }
    }
}
