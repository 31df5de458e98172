//! The two signals that whoever looks after a sandbox waits for.

use std::mem::MaybeUninit;

/// SIGCHLD and SIGTERM, blocked so that they can be waited for without a race.
pub struct Signals {
    set: libc::sigset_t,
}

impl Signals {
    /// Blocks them, for this thread and all that it starts.
    pub fn block() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the following calls read.
        let set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            set.assume_init()
        };
        Signals { set }
    }

    /// Lets them through again, in a child that is another program.
    pub fn unblock(&self) {
        // SAFETY: the set is initialised; no old mask is asked for.
        unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const self.set, std::ptr::null_mut()) };
    }

    /// Waits for the next one and returns its number; negative if the wait was disturbed.
    pub fn wait(&self) -> i32 {
        // SAFETY: the set is initialised; no siginfo is asked for.
        unsafe { libc::sigwaitinfo(&raw const self.set, std::ptr::null_mut()) }
    }
}
