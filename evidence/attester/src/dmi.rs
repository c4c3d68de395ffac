//! Whose machine a guest runs on, as its firmware says: a hint for detection, and never more than that.

use std::path::Path;

use crate::io::read_if_present;

/// Where the firmware's words lie, below the guest's root.
const FOLDER: &str = "sys/class/dmi/id";

/// The most bytes of one of them that are read.
const LIMIT: usize = 4096;

/// Azure's asset tag, the same on every machine of Azure's.
const AZURE_ASSET_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

/// A cloud provider whose guests have a backend of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Compute Engine.
    Google,
}

impl Cloud {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "Amazon EC2",
            Self::Azure => "Microsoft Azure",
            Self::Google => "Google Compute Engine",
        }
    }

    /// The provider that the firmware of the guest below `root` names; `None` for any other machine.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        if word(root, "sys_vendor").starts_with("Amazon EC2") {
            Some(Self::Aws)
        } else if word(root, "product_name") == "Google Compute Engine" {
            Some(Self::Google)
        } else if word(root, "chassis_asset_tag") == AZURE_ASSET_TAG {
            Some(Self::Azure)
        } else {
            None
        }
    }
}

fn word(root: &Path, name: &str) -> String {
    let read = read_if_present(&root.join(FOLDER).join(name), LIMIT);
    let bytes = read.ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
