//! Many sandboxes at once: starts in flight are timed, idle ones weighed, and all of them are removed.

use plimsoll::drive::probe::scale;
use plimsoll::drive::runtime::AnyRuntime;

use super::{BOUND, Remains, block_on, start};

#[test]
fn starts_at_once_and_idle_ones_are_measured_and_removed() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let process = start(state.path()).await;
        let tag = process.tag().as_str().to_owned();
        let runtime = AnyRuntime::Process(process);
        let found = scale(&runtime).await.unwrap();
        let levels: Vec<(usize, usize)> =
            found.contention.iter().map(|one| (one.at_once, one.starts)).collect();
        assert_eq!(levels, [(1, 16), (2, 16), (4, 16), (8, 16)]);
        for one in &found.contention {
            assert!(one.p50_s > 1e-4 && one.p50_s <= one.slowest_s, "{one:?}");
            let factor = one.p50_s / found.contention[0].p50_s;
            assert!((one.factor - factor).abs() < 1e-12, "{one:?}");
        }
        // A launcher and a guest hold at least some hundred pages of their own.
        assert!(found.density.pss_each.0 > 100 * 4096, "{:?}", found.density);
        assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new());
        assert_eq!(Remains::of(state.path(), &tag), Remains::default());
    });
}
