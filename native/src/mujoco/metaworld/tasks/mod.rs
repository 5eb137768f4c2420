//! The fifty tasks, a table entry for each.

mod box_close;
mod button;
mod coffee;
mod door;
mod drawer;
mod hammer;
mod handle;
mod nut;
mod peg;
mod pick;
mod pick_place;
mod plate_slide;
mod push;
mod reach;
mod stick;
mod sweep;
mod turn;
mod window;

use super::sawyer::Part::{self, Body, Geom, Site};
use super::sawyer::Sawyer;
use super::task::{Pose, Task};

/// Every task.
pub const ALL: [&Task; 50] = [
    &pick_place::PICK_PLACE,
    &box_close::BOX_CLOSE,
    &nut::ASSEMBLY,
    &pick::BASKETBALL,
    &pick::BIN_PICKING,
    &button::BUTTON_PRESS,
    &button::BUTTON_PRESS_TOPDOWN,
    &button::BUTTON_PRESS_TOPDOWN_WALL,
    &button::BUTTON_PRESS_WALL,
    &coffee::COFFEE_BUTTON,
    &coffee::COFFEE_PULL,
    &coffee::COFFEE_PUSH,
    &turn::DIAL_TURN,
    &nut::DISASSEMBLE,
    &door::DOOR_CLOSE,
    &door::DOOR_LOCK,
    &door::DOOR_OPEN,
    &door::DOOR_UNLOCK,
    &drawer::DRAWER_CLOSE,
    &drawer::DRAWER_OPEN,
    &turn::FAUCET_CLOSE,
    &turn::FAUCET_OPEN,
    &hammer::HAMMER,
    &pick::HAND_INSERT,
    &handle::HANDLE_PRESS,
    &handle::HANDLE_PRESS_SIDE,
    &handle::HANDLE_PULL,
    &handle::HANDLE_PULL_SIDE,
    &turn::LEVER_PULL,
    &peg::PEG_INSERT_SIDE,
    &peg::PEG_UNPLUG_SIDE,
    &pick::PICK_OUT_OF_HOLE,
    &pick_place::PICK_PLACE_WALL,
    &plate_slide::PLATE_SLIDE,
    &plate_slide::PLATE_SLIDE_BACK,
    &plate_slide::PLATE_SLIDE_BACK_SIDE,
    &plate_slide::PLATE_SLIDE_SIDE,
    &push::PUSH,
    &push::PUSH_BACK,
    &push::PUSH_WALL,
    &reach::REACH,
    &reach::REACH_WALL,
    &pick::SHELF_PLACE,
    &sweep::SOCCER,
    &stick::STICK_PULL,
    &stick::STICK_PUSH,
    &sweep::SWEEP,
    &sweep::SWEEP_INTO,
    &window::WINDOW_CLOSE,
    &window::WINDOW_OPEN,
];

/// The parts of the tasks with a puck.
const PUCK: &[Part] = &[Body("obj"), Geom("objGeom"), Site("goal")];

/// The puck as it is observed in most of them.
fn puck(arm: &Sawyer) -> Pose {
    (arm.at(0), arm.scalar_last(1))
}
