//! Where the suite's scenes come from.

use crate::downloads::Download;

/// gymnasium-robotics (MIT; the hand's files Apache-2.0).
pub const PACKAGE: Download = Download {
    package: "gymnasium-robotics",
    version: "1.4.2",
    sha256: &[(
        "any",
        "a1743530431cb377e6b3b956d284bc96436fc68bac1648ef205054c178e7dc4b",
    )],
    keep: &[
        "gymnasium_robotics/envs/assets/adroit_hand/",
        "gymnasium_robotics-1.4.2.dist-info/",
    ],
    proof: "gymnasium_robotics/envs/assets/adroit_hand/adroit_door.xml",
};
