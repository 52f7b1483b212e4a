//! Writing JSON text straight into a buffer. The readers write millions of small objects of known shape, for
//! which a tree of values would cost more than the parsing.

/// JSON text under construction. Commas come by themselves; that names and values alternate is the caller's part.
#[derive(Default)]
pub(crate) struct Json {
    out: String,
}

impl Json {
    /// Hands the text over and begins anew.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Appends the text to `out` and begins anew, with the same buffer.
    pub(crate) fn drain_into(&mut self, out: &mut String) {
        out.push_str(&self.out);
        self.out.clear();
    }

    pub(crate) fn open_object(&mut self) {
        self.separate();
        self.out.push('{');
    }

    pub(crate) fn close_object(&mut self) {
        self.out.push('}');
    }

    pub(crate) fn open_list(&mut self) {
        self.separate();
        self.out.push('[');
    }

    pub(crate) fn close_list(&mut self) {
        self.out.push(']');
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.separate();
        push_text(&mut self.out, name);
        self.out.push(':');
    }

    /// A text value.
    pub(crate) fn text(&mut self, value: &str) {
        self.separate();
        push_text(&mut self.out, value);
    }

    /// A value whose JSON text is at hand.
    pub(crate) fn raw(&mut self, value: impl std::fmt::Display) {
        use std::fmt::Write;
        self.separate();
        // Writing into a String does not fail.
        let _ = write!(self.out, "{value}");
    }

    /// A text value that needs no escaping: times, numbers, our own words.
    pub(crate) fn plain(&mut self, value: impl std::fmt::Display) {
        self.raw(format_args!("\"{value}\""));
    }

    pub(crate) fn text_field(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text(value);
    }

    /// Leaves the field out where the value is empty.
    pub(crate) fn optional_text_field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text_field(name, value);
        }
    }

    pub(crate) fn plain_field(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        self.plain(value);
    }

    pub(crate) fn raw_field(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        self.raw(value);
    }

    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }
}

/// Appends `value` as a JSON string.
pub(crate) fn push_text(out: &mut String, value: &str) {
    out.push('"');
    let mut clean_from = 0;
    for (at, byte) in value.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&value[clean_from..at]);
        clean_from = at + 1;
        if escape.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&value[clean_from..]);
    out.push('"');
}
