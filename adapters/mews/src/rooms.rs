//! Rooms: services, their categories, what is assigned to those, and the resources themselves.

use crate::Mews;
use crate::wire::{
    self, ActivityState, AskAssignments, AskCategories, AskResources, AskServices, Assignment,
    LIST_LIMIT, Resource, Service,
};
use portal_interface::{Account, AdapterError, Room, RoomKind, VendorId};
use std::collections::{BTreeMap, BTreeSet};

impl Mews {
    pub(crate) async fn read_rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError> {
        let services = self.bookable_services(account).await?;
        let categories = self.kinds(account, &services).await?;
        let assignments = self.assignments(account, &categories).await?;
        let values = self.all(account, &AskResources::ALL).await?;
        let resources = wire::entries::<AskResources>(&values).whole()?;
        Ok(join(&categories, &assignments, resources))
    }

    async fn bookable_services(&self, account: &Account) -> Result<Vec<VendorId>, AdapterError> {
        let values = self.all(account, &AskServices::BOOKABLE).await?;
        let services = wire::entries::<AskServices>(&values).whole()?;
        let counts = |service: &Service| service.active && service.bookable;
        let counting = services.into_iter().filter(counts);
        Ok(counting.map(|service| service.id).collect())
    }

    /// The categories a door can belong to, and what their resources are.
    async fn kinds(
        &self,
        account: &Account,
        services: &[VendorId],
    ) -> Result<BTreeMap<VendorId, RoomKind>, AdapterError> {
        let mut kinds = BTreeMap::new();
        for service_ids in services.chunks(LIST_LIMIT) {
            let ask = AskCategories {
                service_ids,
                resource_category_ids: None,
                activity_states: &[ActivityState::Active],
            };
            let values = self.all(account, &ask).await?;
            for category in wire::entries::<AskCategories<'_>>(&values).whole()? {
                kinds.extend(category.kind.map(|kind| (category.id, kind)));
            }
        }
        Ok(kinds)
    }

    async fn assignments(
        &self,
        account: &Account,
        categories: &BTreeMap<VendorId, RoomKind>,
    ) -> Result<Vec<Assignment>, AdapterError> {
        let ids: Vec<VendorId> = categories.keys().cloned().collect();
        let mut assignments = Vec::new();
        for resource_category_ids in ids.chunks(LIST_LIMIT) {
            let ask = AskAssignments {
                resource_category_ids,
                activity_states: &[ActivityState::Active],
            };
            let values = self.all(account, &ask).await?;
            assignments.extend(wire::entries::<AskAssignments<'_>>(&values).whole()?);
        }
        Ok(assignments)
    }
}

/// The resources sold under a category with a door, and the rooms around them.
fn join(
    categories: &BTreeMap<VendorId, RoomKind>,
    assignments: &[Assignment],
    resources: Vec<Resource>,
) -> Vec<Room> {
    let resources: BTreeMap<VendorId, Resource> = resources
        .into_iter()
        .map(|resource| (resource.id.clone(), resource))
        .collect();
    let mut kinds: BTreeMap<&VendorId, RoomKind> = BTreeMap::new();
    for assignment in assignments {
        let resource = resources.get(&assignment.resource);
        // An assignment counts as inactive with its resource: a closed room would vanish.
        let counts = assignment.active || resource.is_some_and(|resource| !resource.active);
        if let Some(&kind) = categories.get(&assignment.category).filter(|_| counts) {
            let known = kinds.entry(&assignment.resource).or_insert(kind);
            *known = plainer(*known, kind);
        }
    }
    let mut around = BTreeSet::new();
    for id in kinds.keys() {
        around.extend(ancestors(&resources, id));
    }
    let kept = resources.values().filter_map(|resource| {
        let kind = match kinds.get(&resource.id) {
            Some(_) if resource.is_object && resource.parent.is_some() => RoomKind::Bed,
            Some(&kind) => kind,
            // Not sold itself, but what stands in it is: a shared room.
            None if around.contains(&resource.id) => RoomKind::Dorm,
            None => return None,
        };
        Some(Room {
            id: resource.id.clone(),
            name: resource.name.clone(),
            kind,
            parent: ancestors(&resources, &resource.id).first().cloned(),
            active: resource.active,
        })
    });
    kept.collect()
}

/// What a resource is that is sold as two things: the more telling one.
fn plainer(one: RoomKind, other: RoomKind) -> RoomKind {
    let order = [
        RoomKind::Dorm,
        RoomKind::Bed,
        RoomKind::Room,
        RoomKind::Other,
    ];
    let found = order.into_iter().find(|kind| [one, other].contains(kind));
    found.unwrap_or(one)
}

/// The rooms a resource stands in, innermost first. None at all where they run in a circle: then
/// nobody can say which room it is.
fn ancestors(resources: &BTreeMap<VendorId, Resource>, id: &VendorId) -> Vec<VendorId> {
    let parent = |id| resources.get(id)?.parent.as_ref();
    let mut chain = Vec::new();
    let mut next = parent(id);
    while let Some(at) = next.filter(|at| resources.contains_key(at)) {
        if at == id || chain.contains(at) {
            return Vec::new();
        }
        chain.push(at.clone());
        next = parent(at);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VendorId {
        VendorId::new(text).unwrap()
    }

    fn resource(text: &str, parent: Option<&str>) -> Resource {
        Resource {
            id: id(text),
            name: text.to_owned(),
            active: true,
            parent: parent.map(id),
            is_object: parent.is_some(),
        }
    }

    /// Joins resources that are sold under these categories; answers name, kind and parent.
    fn joined(resources: Vec<Resource>, sold: &[(&str, &str)]) -> Vec<String> {
        let kinds = [
            ("room", RoomKind::Room),
            ("dorm", RoomKind::Dorm),
            ("bed", RoomKind::Bed),
        ];
        let categories = kinds.map(|(name, kind)| (id(name), kind)).into();
        let assignments: Vec<Assignment> = sold
            .iter()
            .map(|(resource, category)| Assignment {
                resource: id(resource),
                category: id(category),
                active: true,
            })
            .collect();
        let rooms = join(&categories, &assignments, resources);
        let tell = |room: Room| {
            let parent = room
                .parent
                .map_or_else(String::new, |parent| format!(" in {parent}"));
            format!("{} {}{parent}", room.name, room.kind)
        };
        rooms.into_iter().map(tell).collect()
    }

    #[test]
    fn parents_are_kept_and_never_run_in_a_circle() {
        let resources = vec![
            resource("a", Some("b")),
            resource("b", Some("a")),
            resource("c", Some("c")),
            resource("d", Some("gone")),
            resource("e", Some("f")),
            resource("f", Some("g")),
            resource("g", None),
            resource("h", None),
        ];
        let sold = [
            ("a", "bed"),
            ("b", "bed"),
            ("c", "bed"),
            ("d", "bed"),
            ("e", "bed"),
        ];
        assert_eq!(
            joined(resources, &sold),
            [
                "a BED",
                "b BED",
                "c BED",
                "d BED",
                "e BED in f",
                "f DORM in g",
                "g DORM"
            ]
        );
    }

    #[test]
    fn what_is_sold_twice_is_the_more_telling_thing() {
        let resources = vec![resource("a", None), resource("b", None)];
        let sold = [
            ("a", "room"),
            ("a", "dorm"),
            ("b", "room"),
            ("b", "unknown"),
        ];
        assert_eq!(joined(resources, &sold), ["a DORM", "b ROOM"]);
    }
}
