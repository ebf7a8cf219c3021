//! What the process gives up at start.

/// Turns core dumps off: they would write keys in memory to disk. Debuggers of other users are
/// shut out with it.
///
/// # Errors
/// When the system refuses.
pub fn forbid_core_dumps() -> Result<(), rustix::io::Errno> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Also covers a core_pattern that pipes to a program, which ignores the limit.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}
