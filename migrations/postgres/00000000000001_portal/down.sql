DROP TABLE breakers, rate_gates, workers, jobs, audit_entries, events, problems, pin_pushes, device_pins,
  decisions, plans, keychain_doors, keychains, pins, reservations, devices, space_links, room_mappings, spaces, rooms, hints, sync_cursors,
  validation_attempts, credentials, integrations, data_keys, key_checks, api_keys, sessions,
  memberships, users, policy_versions, properties, organizations;
DROP FUNCTION audit_is_append_only;
