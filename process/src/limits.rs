//! Resource limits by the names that configurations and jobs give them.

use nix::sys::resource::Resource;

/// The names, as an error lists them.
pub const KNOWN: &str = "nofile, core, fsize, nproc, cpu and as";

/// The resource of a limit's name.
pub fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "nofile" => Resource::RLIMIT_NOFILE,
        "core" => Resource::RLIMIT_CORE,
        "fsize" => Resource::RLIMIT_FSIZE,
        "nproc" => Resource::RLIMIT_NPROC,
        "cpu" => Resource::RLIMIT_CPU,
        "as" => Resource::RLIMIT_AS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_lists_is_what_is_known() {
        let names: Vec<&str> = KNOWN.split(", ").flat_map(|part| part.split(" and ")).collect();
        assert_eq!(names.len(), 6);
        assert!(names.iter().all(|name| resource(name).is_some()));
        assert!(resource("files").is_none());
    }
}
