//! How much memory a session may use unless told otherwise.

use std::fs;
use std::path::{Path, PathBuf};

/// What queries and open files may hold, of the memory that machine and control group leave. The rest is for what no
/// operator accounts for: decode buffers, batches on their way, the allocator.
const SHARE_PERCENT: usize = 60;

/// The default limit in bytes; `None` where the system does not tell.
pub fn default_limit_bytes() -> Option<usize> {
    let machine = available_bytes(&fs::read_to_string("/proc/meminfo").ok()?);
    let groups = fs::read_to_string("/proc/self/cgroup").map(|text| group_limits(&text)).unwrap_or_default();
    machine.into_iter().chain(groups).min().map(|bytes| bytes / 100 * SHARE_PERCENT)
}

fn available_bytes(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

/// The limits of the process's control group (version 2) and of all groups above it.
fn group_limits(cgroup: &str) -> Vec<usize> {
    let Some(group) = cgroup.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    let mount = Path::new("/sys/fs/cgroup");
    let folder: PathBuf = mount.join(group);
    let folders = folder.ancestors().take_while(|folder| folder.starts_with(mount));
    folders.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{available_bytes, group_limits};

    #[test]
    fn reads_what_the_kernel_prints() {
        assert_eq!(available_bytes("MemTotal:  8 kB\nMemAvailable:    4 kB\n"), Some(4096));
        assert_eq!(available_bytes("MemTotal:  8 kB\n"), None);
        assert_eq!(group_limits("1:name=systemd:/old\n"), Vec::<usize>::new());
    }
}
