//! Where the files of a folder are.

use std::path::{Path, PathBuf};

use super::super::{ErrorKind, ImportError};

/// Where the files are.
pub(super) struct Files {
    pub(super) customers: PathBuf,
    pub(super) orders: PathBuf,
    pub(super) items: PathBuf,
    pub(super) products: PathBuf,
    pub(super) payments: Option<PathBuf>,
    pub(super) sellers: Option<PathBuf>,
    pub(super) translation: Option<PathBuf>,
    pub(super) reviews: Option<PathBuf>,
}

impl Files {
    pub(super) fn find(dir: &Path) -> Result<Files, ImportError> {
        let find = |name: &str| {
            let packed = ["", ".zst", ".gz"].map(|ending| dir.join(format!("{name}{ending}")));
            packed.into_iter().find(|path| path.is_file())
        };
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                ImportError::new(
                    ErrorKind::MissingFile,
                    format!("the file {name} is missing"),
                    dir.display().to_string(),
                    "Name the folder with the unpacked Olist files (each may be .csv, .csv.gz or .csv.zst)",
                )
            })
        };
        Ok(Files {
            customers: need("olist_customers_dataset.csv")?,
            orders: need("olist_orders_dataset.csv")?,
            items: need("olist_order_items_dataset.csv")?,
            products: need("olist_products_dataset.csv")?,
            payments: find("olist_order_payments_dataset.csv"),
            sellers: find("olist_sellers_dataset.csv"),
            translation: find("product_category_name_translation.csv"),
            reviews: find("olist_order_reviews_dataset.csv"),
        })
    }

    pub(super) fn all(&self) -> Vec<&Path> {
        let needed = [&self.customers, &self.orders, &self.items, &self.products];
        let optional = [&self.payments, &self.sellers, &self.translation, &self.reviews];
        needed.into_iter().chain(optional.into_iter().flatten()).map(PathBuf::as_path).collect()
    }
}
