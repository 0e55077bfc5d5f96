//! A value that one thread at a time owns: claimed by one compare-and-swap, put back by one store.
//!
//! Unlike a lock it tells who has it. A *writer* that finds another writer there is refused, since two producers must not
//! share a lane; *readers*, who only look and are soon done, are waited for. A waiting reader goes before the next writer,
//! so that it waits for one batch at most.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{AtomicUsize, Ordering, yield_now};

const NOBODY: usize = 0;

/// Who has a value that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Its producer.
    Writer = 1,
    /// Someone who looks: drain, snapshot, statistics.
    Reader = 2,
}

/// See the module.
pub struct Claim<T> {
    /// [`NOBODY`], or its [`Holder`].
    holder: AtomicUsize,
    /// Readers that wait.
    waiting: AtomicUsize,
    value: UnsafeCell<T>,
}

/// A claimed value; dropping it puts the value back, also while a panic unwinds.
pub struct Claimed<'a, T> {
    claim: &'a Claim<T>,
}

// SAFETY: the value is reached through a `Claimed` alone, of which there is one at a time (`try_claim`): it goes from
// thread to thread, as in a mutex, and is never seen by two.
unsafe impl<T: Send> Sync for Claim<T> {}

impl<T> Claim<T> {
    /// A value that nobody has claimed.
    pub fn new(value: T) -> Self {
        Self { holder: AtomicUsize::new(NOBODY), waiting: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// Claims the value, or says who has it.
    pub fn try_claim(&self, holder: Holder) -> Result<Claimed<'_, T>, Holder> {
        // Acquire pairs with the release in `Claimed::drop`: all that the last holder did is seen.
        match self.holder.compare_exchange(NOBODY, holder as usize, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Claimed { claim: self }),
            Err(found) if found == Holder::Writer as usize => Err(Holder::Writer),
            Err(_) => Err(Holder::Reader),
        }
    }

    /// Claims the value for its producer: waits for readers, gives none where another producer has it.
    pub fn write(&self) -> Option<Claimed<'_, T>> {
        loop {
            // Relaxed: a hint that decides who goes first, nothing else.
            if self.waiting.load(Ordering::Relaxed) == 0 {
                match self.try_claim(Holder::Writer) {
                    Ok(claimed) => return Some(claimed),
                    Err(Holder::Writer) => return None,
                    Err(Holder::Reader) => {}
                }
            } else if self.holder.load(Ordering::Relaxed) == Holder::Writer as usize {
                return None;
            }
            yield_now();
        }
    }

    /// Claims the value to look at it: waits for whoever has it.
    pub fn read(&self) -> Claimed<'_, T> {
        if let Ok(claimed) = self.try_claim(Holder::Reader) {
            return claimed;
        }
        // Relaxed: see `write`.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let claimed = loop {
            match self.try_claim(Holder::Reader) {
                Ok(claimed) => break claimed,
                Err(_) => yield_now(),
            }
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        claimed
    }
}

impl<T: Default> Default for Claim<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Claimed<'_, T> {
    fn drop(&mut self) {
        // Release pairs with the acquire in `try_claim`. A store will do: while someone holds it, nobody else writes.
        self.claim.holder.store(NOBODY, Ordering::Release);
    }
}

impl<T> Deref for Claimed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is the one `Claimed` there is, and it is borrowed for as long as the value is.
        unsafe { &*self.claim.value.get() }
    }
}

impl<T> DerefMut for Claimed<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, borrowed mutably.
        unsafe { &mut *self.claim.value.get() }
    }
}

impl<T> fmt::Debug for Claim<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claim")
    }
}

#[cfg(all(test, not(any(feature = "loom", feature = "shuttle"))))]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_and_a_reader_waited_for() {
        let claim = Claim::new(5);
        let writer = claim.write().unwrap();
        assert!(claim.write().is_none());
        assert_eq!(claim.try_claim(Holder::Reader).err(), Some(Holder::Writer));
        drop(writer);
        let reader = claim.read();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| *claim.write().unwrap());
            drop(reader);
            assert_eq!(waits.join().unwrap(), 5);
        });
    }

    #[test]
    fn a_panic_puts_the_value_back() {
        let claim = Claim::new(vec![1]);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut held = claim.write().unwrap();
            held.push(2);
            panic!("while it is claimed");
        }));
        assert!(caught.is_err());
        assert_eq!(*claim.read(), [1, 2]);
    }

    #[test]
    fn threads_add_one_at_a_time() {
        // A value that two threads reached at once would lose some of these.
        let claim = Claim::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| *claim.read() += 1));
            }
        });
        assert_eq!(*claim.read(), 40_000);
    }
}
