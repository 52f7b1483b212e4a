//! Allocation classes, from the one that is served first to the one that is served last.

use serde::{Deserialize, Serialize};

/// What is reserved for a class is open to it and to the classes before it, never to those after it: nested
/// protection (Talluri & van Ryzin, The Theory and Practice of Revenue Management, 2004, §2.1).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Classes(pub Vec<String>);

impl Classes {
    /// 0 is served first. `campaign:SPRING` stands where `campaign` does; what is not listed stands last.
    pub fn rank(&self, class: &str) -> usize {
        let family = class.split(':').next().unwrap_or(class);
        let found = self.0.iter().position(|known| known == class);
        found.or_else(|| self.0.iter().position(|known| known == family)).unwrap_or(self.0.len())
    }

    /// Whether what is reserved for one class is kept from another.
    pub fn keeps_from(&self, reserved_for: &str, asking: &str) -> bool {
        if reserved_for == asking {
            return false;
        }
        // Two campaigns stand side by side, and neither takes the other's.
        self.rank(asking) >= self.rank(reserved_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_open_upward_only() {
        let classes = Classes(["mandate", "member", "campaign"].map(str::to_owned).to_vec());
        assert!(classes.keeps_from("member", "open") && !classes.keeps_from("member", "mandate"));
        assert!(!classes.keeps_from("campaign:spring", "campaign:spring"));
        assert!(classes.keeps_from("campaign:spring", "campaign:fall"));
        assert!(!classes.keeps_from("campaign:spring", "member"));
        assert!(classes.keeps_from("campaign:spring", "open"));
    }
}
