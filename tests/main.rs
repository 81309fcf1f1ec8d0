//! The guide, sentence by sentence, through GraphQL over HTTP. Everything is real but the vendors,
//! and these check each request against the vendor's contract.

mod access_closure;
mod arrivals;
mod broken_integration;
mod common_areas;
mod connecting_mews;
mod consecutive_stays;
mod erasure;
mod faults;
mod given_up_and_waiting;
mod harness;
mod import;
mod invariants;
mod mews_contract;
mod no_two_guests_share_a_pin;
mod pins_on_locks_and_in_mews;
mod plans;
mod policy_and_mode;
mod reservations_and_keychains;
mod schema_and_migrations;
mod spaces_and_devices;
mod staff_keychains;
mod statements;
mod states;
mod taking_away_and_giving_back;
mod the_queue;
mod webhooks;
mod what_is_held_is_what_is_wanted;
mod who_sees_what;
mod why_not;
