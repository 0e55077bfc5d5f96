//! What threads share: ownership that passes from hand to hand, a queue and a list without locks.
//!
//! The atomics are chosen here and nowhere else: those of `std`, or, for the models that prove the protocols, those of
//! `loom` (feature `loom`, every interleaving of a small case) or `shuttle` (feature `shuttle`, random ones of a larger).

mod claim;
mod handover;
mod listing;

pub use claim::{Claim, Claimed, Holder};
pub use handover::Handover;
pub use listing::Listing;

#[cfg(feature = "loom")]
mod chosen {
    pub(super) use loom::sync::Mutex;
    pub use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicUsize, Ordering, fence};
    pub use loom::thread::yield_now;
}

#[cfg(all(feature = "shuttle", not(feature = "loom")))]
mod chosen {
    pub(super) use shuttle::sync::Mutex;
    pub use shuttle::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicUsize, Ordering, fence,
    };
    pub use shuttle::thread::yield_now;
}

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
mod chosen {
    pub use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicUsize, Ordering, fence};
    pub use std::thread::yield_now;
}

pub use chosen::*;
