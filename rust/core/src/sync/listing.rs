//! A short list that is read by many and seldom changed: whoever reads gets it as it stands, without waiting; whoever
//! changes it puts a changed copy in its place.

use std::sync::Arc;

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
use arc_swap::ArcSwap;

/// See the module.
#[derive(Debug)]
pub struct Listing<T> {
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    list: ArcSwap<Vec<T>>,
    // The models take the library's promise (a list is read and swapped at one instant) for granted.
    #[cfg(any(feature = "loom", feature = "shuttle"))]
    list: super::Mutex<Arc<Vec<T>>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        #[cfg(not(any(feature = "loom", feature = "shuttle")))]
        let list = ArcSwap::from_pointee(Vec::new());
        #[cfg(any(feature = "loom", feature = "shuttle"))]
        let list = super::Mutex::new(Arc::new(Vec::new()));
        Self { list }
    }
}

impl<T: Clone> Listing<T> {
    /// The list as it stands.
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    pub fn load(&self) -> Arc<Vec<T>> {
        self.list.load_full()
    }

    /// Puts in the list's place what `change` makes of it; again where it was changed meanwhile.
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    pub fn change(&self, mut change: impl FnMut(&mut Vec<T>)) {
        self.list.rcu(|list| {
            let mut list = Vec::clone(list);
            change(&mut list);
            list
        });
    }

    /// As above.
    #[cfg(any(feature = "loom", feature = "shuttle"))]
    pub fn load(&self) -> Arc<Vec<T>> {
        Arc::clone(&self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// As above.
    #[cfg(any(feature = "loom", feature = "shuttle"))]
    pub fn change(&self, mut change: impl FnMut(&mut Vec<T>)) {
        let mut list = self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut changed = Vec::clone(&list);
        change(&mut changed);
        *list = Arc::new(changed);
    }
}
