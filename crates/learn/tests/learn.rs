//! The numerics against worked examples of others, against brute force, and against what must hold for any input.

mod cases {
    pub(crate) mod inventory;
    pub(crate) mod scale;
}
