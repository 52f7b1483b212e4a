//! `inyeon`: one binary; see [`inyeon::cli`].

fn main() -> std::process::ExitCode {
    inyeon::cli::main()
}
