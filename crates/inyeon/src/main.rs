//! `inyeon`: one binary; see [`inyeon::cli`].

/// Records are made on one thread and dropped on another, thousands a second; the system's allocator pays for that
/// with locks and with memory that it does not give back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    inyeon::cli::main()
}
