//! Where on this machine control groups can be made.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::cgroup::Controller;

/// The two layouts of control groups; see cgroups(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller.
    One,
    /// One hierarchy for all.
    Two,
}

/// A hierarchy that the driver is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    version: Version,
    controllers: Vec<String>,
    /// The driver's own group.
    own: PathBuf,
    /// The topmost group that can be seen.
    top: PathBuf,
}

/// Reads cgroups(7)'s `/proc/self/cgroup` against the table of mounts.
pub fn homes(memberships: &str, mounts: &str) -> Vec<Home> {
    let mut homes = Vec::new();
    for line in memberships.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let version = if id == "0" { Version::Two } else { Version::One };
        let controllers: Vec<String> = controllers.split(',').map(str::to_owned).collect();
        let Some((root, top)) = mount_of(mounts, version, &controllers[0]) else { continue };
        // Where only a part of the hierarchy is mounted, paths are still counted from its root.
        let below = Path::new(path).strip_prefix(&root).unwrap_or(Path::new(""));
        homes.push(Home { version, controllers, own: top.join(below), top });
    }
    homes
}

/// The root and the mount point of a hierarchy.
fn mount_of(mounts: &str, version: Version, controller: &str) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let fits = match version {
            Version::One => {
                name == "cgroup" && options.split(',').any(|option| option == controller)
            }
            Version::Two => name == "cgroup2",
        };
        let mut place = place.split(' ').skip(3);
        fits.then_some((PathBuf::from(place.next()?), PathBuf::from(place.next()?)))
    })
}

impl Home {
    /// The driver's own group in this hierarchy.
    pub fn own(&self) -> &Path {
        &self.own
    }
}

/// Below which group a controller's limits can be set, or why nowhere.
pub fn home_of(controller: Controller, homes: &[Home]) -> Result<(PathBuf, Version), String> {
    let writable = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let name = controller.name();
    if let Some(home) = homes.iter().find(|home| {
        home.version == Version::One && home.controllers.iter().any(|present| present == name)
    }) {
        return if writable(&home.own) {
            Ok((home.own.clone(), Version::One))
        } else {
            Err(format!("{} is not writable", home.own.display()))
        };
    }
    let Some(home) = homes.iter().find(|home| home.version == Version::Two) else {
        return Err(format!("no control group hierarchy with `{name}` is mounted"));
    };
    let enabled = |group: &Path| {
        let text = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
        text.split_whitespace().any(|present| present == name)
    };
    [&home.own, &home.top]
        .into_iter()
        .find(|group| enabled(group) && writable(group))
        .map(|group| (group.clone(), Version::Two))
        .ok_or_else(|| {
            let own = home.own.display();
            format!(
                "neither {own} nor the root group is writable with `{name}` enabled for children"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let mounts = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 /box /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpuacct,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        let memberships = "4:memory:/a/b\n3:cpu,cpuacct:/box/c\n2:rdma:/\n0::/user.slice";
        let found = homes(memberships, mounts);
        let own: Vec<_> = found.iter().map(|home| home.own.to_str().unwrap()).collect();
        assert_eq!(
            own,
            [
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/cpu/c",
                "/sys/fs/cgroup/unified/user.slice",
            ]
        );
    }

    #[test]
    fn a_machine_without_control_groups_says_so() {
        let why = home_of(Controller::Memory, &homes("", "")).unwrap_err();
        assert!(why.contains("no control group hierarchy with `memory`"), "{why}");
    }
}
