//! Records that are made and dropped by the million, in places that are used again.

/// Names a record. Never names another, though its place is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    place: u32,
    generation: u32,
}

impl Id {
    pub fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    pub fn from_number(number: u64) -> Self {
        Self {
            place: number as u32, // the lower half
            generation: (number >> 32) as u32,
        }
    }
}

/// A store of records.
#[derive(Debug)]
pub struct Slab<T> {
    records: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            free: Vec::new(),
        }
    }

    pub fn add(&mut self, record: T) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.records.push((0, None));
            self.records.len() as u32 - 1
        });
        let (generation, slot) = &mut self.records[place as usize];
        *slot = Some(record);
        Id {
            place,
            generation: *generation,
        }
    }

    pub fn get(&self, id: Id) -> Option<&T> {
        let (generation, slot) = self.records.get(id.place as usize)?;
        slot.as_ref().filter(|_| *generation == id.generation)
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (generation, slot) = self.records.get_mut(id.place as usize)?;
        slot.as_mut().filter(|_| *generation == id.generation)
    }

    /// Takes a record out for a while; its place is kept for it.
    pub fn take(&mut self, id: Id) -> Option<T> {
        let (generation, slot) = self.records.get_mut(id.place as usize)?;
        slot.take_if(|_| *generation == id.generation)
    }

    /// Puts back what was taken out.
    pub fn put_back(&mut self, id: Id, record: T) {
        let place = self.records.get_mut(id.place as usize);
        if let Some((_, slot)) = place.filter(|(generation, _)| *generation == id.generation) {
            *slot = Some(record);
        }
    }

    /// Gives up the place of a record that was taken out, or of one that is there.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let (generation, slot) = self.records.get_mut(id.place as usize)?;
        if *generation != id.generation {
            return None;
        }
        let record = slot.take();
        *generation = generation.wrapping_add(1);
        self.free.push(id.place);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Slab};

    #[test]
    fn a_name_outlives_its_record_and_names_no_other() {
        let mut slab = Slab::new();
        let one = slab.add('a');
        assert_eq!(slab.remove(one), Some('a'));
        let two = slab.add('b');
        assert_eq!(slab.get(one), None);
        assert_eq!(slab.remove(one), None);
        assert_eq!(slab.get(Id::from_number(two.number())), Some(&'b'));
    }
}
