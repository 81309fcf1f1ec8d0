//! The tables, as both databases have them.

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Text};
    use portal_domain::sql::{Id, Instant};

    organizations (id) {
        id -> Id,
        name -> Text,
        audit_seq -> BigInt,
        audit_hash -> Binary,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    properties (id) {
        id -> Id,
        organization_id -> Id,
        name -> Text,
        time_zone -> Nullable<Text>,
        issue_at -> Text,
        buffer_before -> Integer,
        buffer_after -> Integer,
        horizon_days -> Integer,
        on_check_out -> Text,
        luggage_minutes -> Integer,
        pin_length -> Integer,
        cooldown_days -> Integer,
        push_pins -> Bool,
        push_when -> Text,
        retention_days -> Integer,
        next_erase_at -> Instant,
        policy_version -> Integer,
        mode -> Text,
        event_seq -> BigInt,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    users (id) {
        id -> Id,
        email -> Text,
        name -> Text,
        password_hash -> Text,
        disabled_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    memberships (id) {
        id -> Id,
        user_id -> Id,
        organization_id -> Id,
        property_id -> Nullable<Id>,
        role -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary};
    use portal_domain::sql::{Id, Instant};

    sessions (id) {
        id -> Id,
        user_id -> Id,
        token_hash -> Binary,
        signed_in_at -> Instant,
        last_seen_at -> Instant,
        expires_at -> Instant,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    api_keys (id) {
        id -> Id,
        property_id -> Id,
        name -> Text,
        permissions -> Text,
        key_prefix -> Text,
        key_hash -> Binary,
        expires_at -> Instant,
        last_used_at -> Nullable<Instant>,
        revoked_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary};
    use portal_domain::sql::{Instant};

    key_checks (kek_id) {
        kek_id -> Binary,
        check_value -> Binary,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    data_keys (id) {
        id -> Id,
        purpose -> Text,
        property_id -> Nullable<Id>,
        wrapped_key -> Binary,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    integrations (id) {
        id -> Id,
        property_id -> Id,
        app -> Text,
        category -> Text,
        status -> Text,
        status_reason -> Nullable<Text>,
        status_by -> Nullable<Text>,
        status_since -> Instant,
        account_key -> Nullable<Text>,
        account_name -> Nullable<Text>,
        connection_key -> Nullable<Text>,
        refusals -> Integer,
        last_refused_at -> Nullable<Instant>,
        last_validated_at -> Nullable<Instant>,
        next_validation_at -> Nullable<Instant>,
        sync_state -> Nullable<Text>,
        last_synced_at -> Nullable<Instant>,
        next_sync_at -> Nullable<Instant>,
        next_rooms_at -> Nullable<Instant>,
        next_compare_at -> Nullable<Instant>,
        compare_since -> Nullable<Instant>,
        compared_at -> Nullable<Instant>,
        may_store_pins -> Bool,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    credentials (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Id,
        app -> Text,
        version -> Integer,
        state -> Text,
        sealed -> Nullable<Binary>,
        wrapped_key -> Nullable<Binary>,
        fingerprint -> Binary,
        set_by -> Id,
        set_at -> Instant,
        verdict_due_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    validation_attempts (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Nullable<Id>,
        trigger -> Text,
        outcome -> Text,
        http_status -> Nullable<Integer>,
        pms_request_id -> Nullable<Text>,
        at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    sync_cursors (integration_id, stream) {
        property_id -> Id,
        integration_id -> Id,
        stream -> Text,
        body -> Nullable<Text>,
        window_from -> Nullable<Instant>,
        window_to -> Nullable<Instant>,
        started_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Text};
    use portal_domain::sql::{Id, Instant};

    hints (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Id,
        external_id -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    rooms (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Id,
        external_id -> Text,
        parent_id -> Nullable<Id>,
        name -> Text,
        kind -> Text,
        active -> Bool,
        removed_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    spaces (id) {
        id -> Id,
        property_id -> Id,
        name -> Text,
        kind -> Text,
        archived_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    room_mappings (room_id) {
        room_id -> Id,
        property_id -> Id,
        space_id -> Id,
        source -> Text,
        created_by -> Nullable<Id>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    devices (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Id,
        external_id -> Text,
        name -> Text,
        space_id -> Nullable<Id>,
        installed_at -> Nullable<Instant>,
        installed_by -> Nullable<Text>,
        connectivity -> Text,
        last_seen_at -> Nullable<Instant>,
        rules -> Text,
        compared_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    reservations (id) {
        id -> Id,
        property_id -> Id,
        integration_id -> Id,
        external_id -> Text,
        external_line -> Text,
        number -> Text,
        state -> Text,
        raw_state -> Text,
        room_id -> Nullable<Id>,
        room_external_id -> Nullable<Text>,
        starts_at -> Instant,
        ends_at -> Instant,
        actual_start -> Nullable<Instant>,
        actual_end -> Nullable<Instant>,
        checked_in_seen_at -> Nullable<Instant>,
        guest_key -> Nullable<Text>,
        guest_name -> Nullable<Text>,
        remote_updated_at -> Nullable<Instant>,
        seen_at -> Instant,
        revision -> Integer,
        decided_revision -> Integer,
        decided_at -> Nullable<Instant>,
        decide_at -> Nullable<Instant>,
        transfer -> Text,
        withheld_code -> Nullable<Text>,
        withheld_detail -> Nullable<Text>,
        withheld_since -> Nullable<Instant>,
        transferred_at -> Nullable<Instant>,
        blocked_by -> Nullable<Text>,
        blocked_at -> Nullable<Instant>,
        blocked_reason -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    pins (id) {
        id -> Id,
        property_id -> Id,
        reservation_id -> Nullable<Id>,
        keychain_id -> Nullable<Id>,
        sealed -> Nullable<Binary>,
        code_index -> Binary,
        length -> Integer,
        proof -> Text,
        occupied_from -> Instant,
        occupied_until -> Instant,
        retired_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    keychains (id) {
        id -> Id,
        property_id -> Id,
        reservation_id -> Nullable<Id>,
        holder -> Nullable<Text>,
        main_space_id -> Id,
        pin_id -> Id,
        starts_at -> Instant,
        ends_at -> Instant,
        scheduled_until -> Instant,
        generation -> Integer,
        revoked_at -> Nullable<Instant>,
        revoked_by -> Nullable<Text>,
        revoked_by_kind -> Nullable<Text>,
        revoke_reason -> Nullable<Text>,
        superseded_by -> Nullable<Id>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Text};
    use portal_domain::sql::{Id, Instant};

    keychain_doors (keychain_id, space_id) {
        keychain_id -> Id,
        property_id -> Id,
        space_id -> Id,
        role -> Text,
        starts_at -> Instant,
        ends_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    device_pins (id) {
        id -> Id,
        property_id -> Id,
        pin_id -> Id,
        device_id -> Id,
        status -> Text,
        desired_from -> Nullable<Instant>,
        desired_until -> Nullable<Instant>,
        confirmed_from -> Nullable<Instant>,
        confirmed_until -> Nullable<Instant>,
        confirmed_generation -> Nullable<Integer>,
        confirmed_how -> Nullable<Text>,
        confirmed_at -> Nullable<Instant>,
        code_matches -> Nullable<Bool>,
        verified_at -> Nullable<Instant>,
        drifted_at -> Nullable<Instant>,
        drift -> Nullable<Text>,
        generation -> Integer,
        done_generation -> Integer,
        wanted_since -> Instant,
        lease -> Nullable<Id>,
        lease_until -> Nullable<Instant>,
        next_attempt_at -> Nullable<Instant>,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        outcome_unknown -> Bool,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    pin_pushes (id) {
        id -> Id,
        property_id -> Id,
        reservation_id -> Id,
        pin_id -> Id,
        integration_id -> Id,
        status -> Text,
        waiting_for -> Nullable<Text>,
        external_token_id -> Nullable<Text>,
        desired_room_id -> Nullable<Id>,
        desired_from -> Nullable<Instant>,
        desired_until -> Nullable<Instant>,
        common_doors -> Bool,
        verified_at -> Nullable<Instant>,
        drifted_at -> Nullable<Instant>,
        drift -> Nullable<Text>,
        compared_at -> Nullable<Instant>,
        generation -> Integer,
        done_generation -> Integer,
        wanted_since -> Instant,
        lease -> Nullable<Id>,
        lease_until -> Nullable<Instant>,
        next_attempt_at -> Nullable<Instant>,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        error_said -> Nullable<Text>,
        outcome_unknown -> Bool,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    problems (id) {
        id -> Id,
        property_id -> Id,
        key -> Text,
        subject_kind -> Text,
        subject -> Text,
        subject_id -> Nullable<Id>,
        detail -> Text,
        critical -> Bool,
        count -> Integer,
        first_seen -> Instant,
        last_seen -> Instant,
        resolved_at -> Nullable<Instant>,
        dismissed_at -> Nullable<Instant>,
        dismissed_by -> Nullable<Text>,
        dismissed_by_kind -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    events (property_id, seq) {
        property_id -> Id,
        seq -> BigInt,
        kind -> Text,
        subject_kind -> Text,
        subject_id -> Id,
        actor_kind -> Text,
        actor_name -> Text,
        cause -> Nullable<Text>,
        data -> Text,
        at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    audit_entries (id) {
        id -> Id,
        organization_id -> Id,
        property_id -> Nullable<Id>,
        seq -> BigInt,
        actor_kind -> Text,
        actor_name -> Text,
        actor_id -> Nullable<Id>,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Id,
        reason -> Nullable<Text>,
        before -> Text,
        after -> Text,
        at -> Instant,
        prev_hash -> Binary,
        hash -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
    use portal_domain::sql::{Id, Instant};

    jobs (id) {
        id -> Id,
        kind -> Text,
        property_id -> Nullable<Id>,
        args -> Text,
        trace -> Nullable<Text>,
        coalesce_key -> Nullable<Text>,
        group_key -> Nullable<Text>,
        priority -> SmallInt,
        state -> Text,
        run_at -> Instant,
        again_at -> Nullable<Instant>,
        generation -> BigInt,
        lease -> Nullable<Id>,
        lease_until -> Nullable<Instant>,
        starts -> SmallInt,
        attempts -> SmallInt,
        code -> Nullable<Text>,
        created_at -> Instant,
        changed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Text};
    use portal_domain::sql::{Id, Instant};

    workers (id) {
        id -> Id,
        name -> Text,
        started_at -> Instant,
        seen_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    rate_gates (key) {
        key -> Text,
        next_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable};
    use portal_domain::sql::{Id, Instant};

    breakers (integration_id) {
        integration_id -> Id,
        failures -> Integer,
        trips -> Integer,
        troubled_since -> Instant,
        closed_until -> Nullable<Instant>,
        trying_until -> Nullable<Instant>,
        changed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use portal_domain::sql::{Id, Instant};

    policy_versions (property_id, version) {
        property_id -> Id,
        version -> Integer,
        policy -> Text,
        changed_at -> Instant,
        changed_by -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::Nullable;
    use portal_domain::sql::{Id, Instant};

    space_links (main_space_id, linked_space_id) {
        property_id -> Id,
        main_space_id -> Id,
        linked_space_id -> Id,
        created_at -> Instant,
        created_by -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    decisions (reservation_id, seq) {
        property_id -> Id,
        reservation_id -> Id,
        seq -> Integer,
        at -> Instant,
        revision -> Integer,
        policy_version -> Integer,
        rules -> Integer,
        transfer -> Text,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
        facts -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use portal_domain::sql::{Id, Instant};

    plans (id) {
        id -> Id,
        property_id -> Id,
        change -> Text,
        operations -> Text,
        created_at -> Instant,
        created_by -> Text,
        expires_at -> Instant,
        applied_at -> Nullable<Instant>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    audit_entries,
    breakers,
    credentials,
    data_keys,
    decisions,
    device_pins,
    devices,
    events,
    hints,
    integrations,
    jobs,
    key_checks,
    keychain_doors,
    keychains,
    memberships,
    organizations,
    pin_pushes,
    pins,
    plans,
    policy_versions,
    problems,
    properties,
    rate_gates,
    reservations,
    room_mappings,
    rooms,
    sessions,
    space_links,
    spaces,
    sync_cursors,
    users,
    validation_attempts,
    workers,
);
