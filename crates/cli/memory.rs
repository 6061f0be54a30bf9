//! How much memory a session may use unless told otherwise.

use std::fs;
use std::path::{Path, PathBuf};

/// What the process may take of the memory that machine and control group leave. The rest is for whoever else is there.
const SHARE_PERCENT: usize = 80;

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

/// What is left of the limits of the process's control group (version 2) and of all groups above it.
fn group_limits(cgroup: &str) -> Vec<usize> {
    let Some(group) = cgroup.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    let mount = Path::new("/sys/fs/cgroup");
    let folder: PathBuf = mount.join(group);
    let folders = folder.ancestors().take_while(|folder| folder.starts_with(mount));
    let file = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).ok();
    folders
        .filter_map(|folder| {
            let (current, stat) = (file(folder, "memory.current")?, file(folder, "memory.stat")?);
            left_bytes(&file(folder, "memory.max")?, &current, &stat)
        })
        .collect()
}

/// The limit without what is in use; file pages that nobody touched lately count as free, for the kernel drops them first.
fn left_bytes(max: &str, current: &str, stat: &str) -> Option<usize> {
    let max: usize = max.trim().parse().ok()?;
    let current: usize = current.trim().parse().ok()?;
    let idle = stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse().ok()?;
    Some(max.saturating_sub(current.saturating_sub(idle)))
}

#[cfg(test)]
mod tests {
    use super::{available_bytes, group_limits, left_bytes};

    #[test]
    fn reads_what_the_kernel_prints() {
        assert_eq!(available_bytes("MemTotal:  8 kB\nMemAvailable:    4 kB\n"), Some(4096));
        assert_eq!(available_bytes("MemTotal:  8 kB\n"), None);
        assert_eq!(left_bytes("1000\n", "600\n", "anon 5\ninactive_file 100\n"), Some(500));
        assert_eq!(left_bytes("max\n", "600\n", "inactive_file 100\n"), None);
        assert_eq!(group_limits("1:name=systemd:/old\n"), Vec::<usize>::new());
    }
}
