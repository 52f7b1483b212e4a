//! The numerics against worked examples of others, against brute force, and against what must hold for any input.

mod cases {
    mod chance;
    mod demand;
    mod depletion;
    mod inventory;
    mod scale;
}
