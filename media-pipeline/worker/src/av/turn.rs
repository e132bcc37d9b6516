//! How a picture is to be turned to be upright: one of eight ways, from a display matrix.

/// One of the eight ways to lay a rectangle on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whether rows become columns.
    pub(crate) is_sideways: bool,
    filters: &'static str,
}

impl Turn {
    /// As it is.
    pub(crate) const NONE: Self = Self { is_sideways: false, filters: "" };

    /// What a display matrix asks for, to the nearest quarter turn.
    ///
    /// A point (x, y) of the picture is shown at (a·x + c·y, b·x + d·y), y pointing down.
    pub(crate) fn of(matrix: Option<[i32; 9]>) -> Self {
        let Some([a, b, _, c, d, ..]) = matrix else { return Self::NONE };
        let size = |value: i32| value.unsigned_abs();
        let is_sideways = size(b).saturating_add(size(c)) > size(a).saturating_add(size(d));
        let filters = if is_sideways {
            match (b < 0, c < 0) {
                (false, true) => "transpose=clock",
                (true, false) => "transpose=cclock",
                (false, false) => "transpose=cclock_flip",
                (true, true) => "transpose=clock_flip",
            }
        } else {
            match (a < 0, d < 0) {
                (false, false) => "",
                (true, true) => "hflip,vflip",
                (true, false) => "hflip",
                (false, true) => "vflip",
            }
        };
        Self { is_sideways, filters }
    }

    /// The filters that do it, each behind a comma. Nothing where there is nothing to do.
    pub(crate) fn filters(self) -> String {
        if self.filters.is_empty() { String::new() } else { format!(",{}", self.filters) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn of(a: i32, b: i32, c: i32, d: i32) -> Turn {
        Turn::of(Some([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]))
    }

    #[test]
    fn d3_quarter_turns_and_mirrors_each_have_their_filter() {
        assert_eq!(of(1, 0, 0, 1), Turn::NONE);
        assert_eq!(of(0, 1, -1, 0).filters(), ",transpose=clock");
        assert_eq!(of(-1, 0, 0, -1).filters(), ",hflip,vflip");
        assert_eq!(of(0, -1, 1, 0).filters(), ",transpose=cclock");
        assert_eq!(of(-1, 0, 0, 1).filters(), ",hflip");
        assert!(of(0, 1, -1, 0).is_sideways && !of(-1, 0, 0, -1).is_sideways);
    }

    #[test]
    fn d3_a_matrix_of_nonsense_turns_nothing_or_something_but_ends() {
        assert_eq!(of(0, 0, 0, 0), Turn::NONE);
        let wild = Turn::of(Some([i32::MIN; 9]));
        assert!(wild.filters().len() < 32);
    }
}
