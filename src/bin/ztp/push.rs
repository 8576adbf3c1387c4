pub fn run(_: &crate::cli::PushArgs) -> Result<u8, crate::Failure> {
    Ok(0)
}
