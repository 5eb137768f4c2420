//! Groceries at two bins (`environments/manipulation/pick_place.py`). The task has the can; what
//! else there is is put out of the way. Pale copies show where each belongs.

use super::super::arena::bins;
use super::super::composition::Composition;
use super::super::{object, robot};
use super::{AT_TABLE, Recipe};
use crate::mujoco::suite::View;
use protege_core::Result;

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/can",
    compose,
    variable: &[],
    view: View {
        point: [-0.1, 0.0, 0.95],
        distance: 1.8,
        ..AT_TABLE
    },
};

/// Files and names, in upstream's order.
const OBJECTS: [(&str, &str); 4] = [
    ("milk", "Milk"),
    ("bread", "Bread"),
    ("cereal", "Cereal"),
    ("can", "Can"),
];

fn compose(scene: &mut Composition, _cube: Option<[f64; 3]>) -> Result<()> {
    bins(scene)?;
    robot::add(scene, robot::AT_BINS)?;
    for (file, name) in OBJECTS {
        let file = format!("objects/{file}-visual.xml");
        object::seen(scene, &file, &format!("Visual{name}"))?;
    }
    for (file, name) in OBJECTS {
        object::solid(scene, &format!("objects/{file}.xml"), name)?;
    }
    Ok(())
}
