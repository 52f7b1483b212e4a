//! Everything that the vocabulary promises: what lies on disk is read for ever, and no input can make it panic.

mod cases {
    mod connection_signal;
    mod examples;
    mod golden;
    mod names;
    mod scale;
    mod signal;
    mod signal_returns;
    mod values;
}
