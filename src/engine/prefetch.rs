//! Telling the processor what will be wanted soon.

/// Bytes that come into the cache together.
const LINE: usize = 64;

/// Brings a value into the cache while other work goes on. With a million sessions nearly every event
/// is about one that is not in the cache, and the queue knows well before which it will be.
///
/// It changes nothing but time. On other processors than x86-64 it does nothing.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        let mut offset = 0;
        while offset < size_of::<T>() {
            // SAFETY: the address is within a live value; a prefetch reads nothing into the program.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
            offset += LINE;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, LINE);
}
