//! The logs, keys and state on a disk that fails, loses power, is damaged, or works.

mod cases {
    mod conformance;
    mod damage;
    mod faults;
    mod keys;
    mod kills;
    mod log;
    mod opening;
    mod power;
    mod state;
    mod support;
}
