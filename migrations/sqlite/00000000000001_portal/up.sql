-- Every table that belongs to a hotel carries its property, and every key between such tables
-- carries it too, so that no row can point across properties.

CREATE TABLE organizations (
  id BLOB PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  audit_seq BIGINT NOT NULL DEFAULT 0,
  audit_hash BLOB NOT NULL DEFAULT x'',
  created_at BIGINT NOT NULL
);

CREATE TABLE properties (
  id BLOB PRIMARY KEY NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  time_zone TEXT,
  issue_at TEXT NOT NULL DEFAULT 'BOOKING' CHECK (issue_at IN ('BOOKING', 'CHECK_IN')),
  buffer_before INTEGER NOT NULL DEFAULT 0 CHECK (buffer_before BETWEEN 0 AND 1440),
  buffer_after INTEGER NOT NULL DEFAULT 0 CHECK (buffer_after BETWEEN 0 AND 1440),
  horizon_days INTEGER NOT NULL DEFAULT 365 CHECK (horizon_days BETWEEN 1 AND 730),
  on_check_out TEXT NOT NULL DEFAULT 'REVOKE' CHECK (on_check_out IN ('REVOKE', 'KEEP_TO_END')),
  luggage_minutes INTEGER NOT NULL DEFAULT 60 CHECK (luggage_minutes BETWEEN 0 AND 1440),
  pin_length INTEGER NOT NULL DEFAULT 6 CHECK (pin_length BETWEEN 4 AND 9),
  cooldown_days INTEGER NOT NULL DEFAULT 30 CHECK (cooldown_days BETWEEN 0 AND 90),
  push_pins BOOLEAN NOT NULL DEFAULT true,
  push_when TEXT NOT NULL DEFAULT 'DOOR_ACCEPTED' CHECK (push_when IN ('DOOR_ACCEPTED', 'GRANTED')),
  -- Days after a stay in which its guest's name and PIN are kept, and when to look next for those that are over.
  retention_days INTEGER NOT NULL DEFAULT 30 CHECK (retention_days BETWEEN 1 AND 365),
  next_erase_at BIGINT NOT NULL,
  -- Counts the changes of the columns above; what they were is in policy_versions.
  policy_version INTEGER NOT NULL DEFAULT 1,
  mode TEXT NOT NULL DEFAULT 'LIVE' CHECK (mode IN ('SETUP', 'LIVE')),
  -- The last number of the property's log. Raised in the transaction that writes the event, so
  -- that numbers grow in the order of commits.
  event_seq BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  UNIQUE (organization_id, id)
);
CREATE INDEX properties_due_erase ON properties (next_erase_at);

-- What a policy was before it was changed, as JSON, and who changed it.
CREATE TABLE policy_versions (
  property_id BLOB NOT NULL REFERENCES properties (id),
  version INTEGER NOT NULL,
  policy TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by TEXT NOT NULL,
  PRIMARY KEY (property_id, version)
);

CREATE TABLE users (
  id BLOB PRIMARY KEY NOT NULL,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
  id BLOB PRIMARY KEY NOT NULL,
  user_id BLOB NOT NULL REFERENCES users (id),
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  property_id BLOB,
  role TEXT NOT NULL CHECK (role IN ('OWNER', 'GENERAL_MANAGER', 'TEAM', 'HOUSEKEEPING', 'INSTALLER')),
  created_at BIGINT NOT NULL,
  FOREIGN KEY (organization_id, property_id) REFERENCES properties (organization_id, id)
);
CREATE UNIQUE INDEX memberships_one_role ON memberships (user_id, organization_id, property_id)
  WHERE property_id IS NOT NULL;
CREATE UNIQUE INDEX memberships_one_role_for_all ON memberships (user_id, organization_id)
  WHERE property_id IS NULL;

CREATE TABLE sessions (
  id BLOB PRIMARY KEY NOT NULL,
  user_id BLOB NOT NULL REFERENCES users (id),
  token_hash BLOB NOT NULL UNIQUE,
  signed_in_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_keys (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  key_prefix TEXT NOT NULL UNIQUE,
  key_hash BLOB NOT NULL,
  expires_at BIGINT NOT NULL,
  last_used_at BIGINT,
  revoked_at BIGINT,
  created_at BIGINT NOT NULL
);

-- A value each key-encryption key can open: tells a wrong key at the start.
CREATE TABLE key_checks (
  kek_id BLOB PRIMARY KEY NOT NULL,
  check_value BLOB NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE data_keys (
  id BLOB PRIMARY KEY NOT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('PINS', 'INDEX')),
  -- Null for the installation's index key.
  property_id BLOB REFERENCES properties (id),
  wrapped_key BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  CHECK ((purpose = 'INDEX') = (property_id IS NULL))
);
CREATE UNIQUE INDEX data_keys_one_for_pins ON data_keys (property_id) WHERE purpose = 'PINS';
CREATE UNIQUE INDEX data_keys_one_for_index ON data_keys (purpose) WHERE purpose = 'INDEX';

CREATE TABLE integrations (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  app TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('PMS', 'LOCK')),
  status TEXT NOT NULL CHECK (status IN ('PENDING', 'CONNECTED', 'BROKEN', 'DISCONNECTED')),
  status_reason TEXT,
  status_by TEXT,
  status_since BIGINT NOT NULL,
  account_key TEXT,
  account_name TEXT,
  -- The app's identifier of our connection to the account, learned from its webhooks: some name nothing else.
  connection_key TEXT,
  refusals INTEGER NOT NULL DEFAULT 0,
  last_refused_at BIGINT,
  last_validated_at BIGINT,
  next_validation_at BIGINT,
  sync_state TEXT CHECK (sync_state IN ('FIRST_LOAD', 'CATCHING_UP', 'CURRENT')),
  last_synced_at BIGINT,
  next_sync_at BIGINT,
  next_rooms_at BIGINT,
  -- Reading back what is held: when it begins next, since when it goes on, when it was last done.
  next_compare_at BIGINT,
  compare_since BIGINT,
  compared_at BIGINT,
  may_store_pins BOOLEAN NOT NULL DEFAULT false,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id)
);
-- One account, one property, in the whole installation; and the races about it have one winner.
CREATE UNIQUE INDEX integrations_one_account ON integrations (app, account_key)
  WHERE status <> 'DISCONNECTED';
CREATE UNIQUE INDEX integrations_one_app ON integrations (property_id, app)
  WHERE status <> 'DISCONNECTED';
CREATE UNIQUE INDEX integrations_one_pms ON integrations (property_id)
  WHERE status <> 'DISCONNECTED' AND category = 'PMS';
CREATE INDEX integrations_by_connection ON integrations (app, connection_key)
  WHERE status <> 'DISCONNECTED' AND connection_key IS NOT NULL;
CREATE INDEX integrations_due_validation ON integrations (next_validation_at)
  WHERE status <> 'DISCONNECTED';
CREATE INDEX integrations_due_sync ON integrations (next_sync_at) WHERE status = 'CONNECTED';
CREATE INDEX integrations_due_compare ON integrations (next_compare_at) WHERE status = 'CONNECTED';
CREATE INDEX integrations_catching_up ON integrations (status_since)
  WHERE sync_state = 'CATCHING_UP';

CREATE TABLE credentials (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  app TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('CANDIDATE', 'ACTIVE', 'RETIRED')),
  sealed BLOB,
  wrapped_key BLOB,
  fingerprint BLOB NOT NULL,
  set_by BLOB NOT NULL REFERENCES users (id),
  set_at BIGINT NOT NULL,
  verdict_due_at BIGINT,
  created_at BIGINT NOT NULL,
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  UNIQUE (integration_id, version),
  CHECK ((state = 'RETIRED') = (sealed IS NULL)),
  CHECK ((sealed IS NULL) = (wrapped_key IS NULL))
);
CREATE UNIQUE INDEX credentials_one_active ON credentials (integration_id) WHERE state = 'ACTIVE';
CREATE UNIQUE INDEX credentials_one_candidate ON credentials (integration_id) WHERE state = 'CANDIDATE';
CREATE UNIQUE INDEX credentials_one_place ON credentials (app, fingerprint) WHERE state <> 'RETIRED';

CREATE TABLE validation_attempts (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  integration_id BLOB,
  trigger TEXT NOT NULL,
  outcome TEXT NOT NULL,
  http_status INTEGER,
  pms_request_id TEXT,
  at BIGINT NOT NULL,
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);
CREATE INDEX validation_attempts_of_integration ON validation_attempts (integration_id, at);

CREATE TABLE sync_cursors (
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  stream TEXT NOT NULL CHECK (stream IN ('CHANGES', 'WINDOW')),
  body TEXT,
  window_from BIGINT,
  window_to BIGINT,
  started_at BIGINT NOT NULL,
  PRIMARY KEY (integration_id, stream),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);

-- Reservations the PMS told to look at again.
CREATE TABLE hints (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  external_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);

CREATE TABLE rooms (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  external_id TEXT NOT NULL,
  parent_id BLOB,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('ROOM', 'BED', 'DORM', 'OTHER')),
  active BOOLEAN NOT NULL,
  removed_at BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, parent_id) REFERENCES rooms (property_id, id)
);
CREATE INDEX rooms_by_name ON rooms (property_id, name, id);
CREATE INDEX rooms_by_parent ON rooms (property_id, parent_id);

CREATE TABLE spaces (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('ROOM', 'COMMON_AREA', 'OTHER')),
  archived_at BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id)
);
CREATE UNIQUE INDEX spaces_one_name ON spaces (property_id, name) WHERE archived_at IS NULL;

-- Common areas that open together with a main room. Without a row nobody's keychain opens one.
CREATE TABLE space_links (
  property_id BLOB NOT NULL,
  main_space_id BLOB NOT NULL,
  linked_space_id BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  created_by BLOB,
  PRIMARY KEY (main_space_id, linked_space_id),
  FOREIGN KEY (property_id, main_space_id) REFERENCES spaces (property_id, id),
  FOREIGN KEY (property_id, linked_space_id) REFERENCES spaces (property_id, id),
  CHECK (main_space_id <> linked_space_id)
);
CREATE INDEX space_links_by_linked ON space_links (property_id, linked_space_id);

CREATE TABLE room_mappings (
  room_id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  space_id BLOB NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('MANUAL', 'IMPORT')),
  created_by BLOB,
  created_at BIGINT NOT NULL,
  FOREIGN KEY (property_id, room_id) REFERENCES rooms (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id)
);
CREATE INDEX room_mappings_by_space ON room_mappings (property_id, space_id);

CREATE TABLE devices (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  external_id TEXT NOT NULL,
  name TEXT NOT NULL,
  space_id BLOB,
  installed_at BIGINT,
  installed_by TEXT,
  connectivity TEXT NOT NULL CHECK (connectivity IN ('ONLINE', 'OFFLINE', 'UNKNOWN')),
  last_seen_at BIGINT,
  rules TEXT NOT NULL,
  -- When it was last tried to read back what it holds.
  compared_at BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id),
  CHECK ((space_id IS NULL) = (installed_at IS NULL))
);
CREATE INDEX devices_by_name ON devices (property_id, name, id);
CREATE INDEX devices_by_space ON devices (property_id, space_id);

CREATE TABLE reservations (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  external_id TEXT NOT NULL,
  external_line TEXT NOT NULL DEFAULT '',
  number TEXT NOT NULL,
  state TEXT NOT NULL,
  raw_state TEXT NOT NULL,
  room_id BLOB,
  -- The room as the PMS names it; kept while Portal does not know that room yet.
  room_external_id TEXT,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  actual_start BIGINT,
  actual_end BIGINT,
  checked_in_seen_at BIGINT,
  -- The PMS's identifier of the guest: the same for the stays of one person.
  guest_key TEXT,
  -- Empty once it is erased.
  guest_name TEXT,
  remote_updated_at BIGINT,
  -- When a read last held it, changed or not: what a complete read leaves out is gone.
  seen_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  decided_revision INTEGER NOT NULL DEFAULT 0,
  decided_at BIGINT,
  decide_at BIGINT,
  transfer TEXT NOT NULL CHECK (transfer IN ('WITHHELD', 'TRANSFERRED', 'ENDED')),
  withheld_code TEXT,
  withheld_detail TEXT,
  withheld_since BIGINT,
  transferred_at BIGINT,
  blocked_by TEXT,
  blocked_at BIGINT,
  blocked_reason TEXT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (integration_id, external_id, external_line),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, room_id) REFERENCES rooms (property_id, id)
);
CREATE INDEX reservations_by_guest ON reservations (property_id, guest_key) WHERE guest_key IS NOT NULL;
CREATE INDEX reservations_by_start ON reservations (property_id, starts_at, id);
CREATE INDEX reservations_by_number ON reservations (property_id, number);
CREATE INDEX reservations_by_room ON reservations (property_id, room_id);
CREATE INDEX reservations_due ON reservations (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX reservations_leaving ON reservations (ends_at) WHERE state = 'CHECKED_IN';
-- Those whose guest is not erased, by the end of the stay.
CREATE INDEX reservations_to_erase ON reservations (property_id, ends_at)
  WHERE guest_name IS NULL OR guest_name <> '';

CREATE TABLE pins (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  -- For whose sake it was chosen: a reservation, or a keychain made by hand.
  reservation_id BLOB,
  keychain_id BLOB,
  -- Null once it is erased.
  sealed BLOB,
  code_index BLOB NOT NULL,
  length INTEGER NOT NULL,
  proof TEXT NOT NULL,
  occupied_from BIGINT NOT NULL,
  occupied_until BIGINT NOT NULL,
  retired_at BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id),
  -- Deferred: the PIN is stored before its keychain.
  FOREIGN KEY (property_id, keychain_id) REFERENCES keychains (property_id, id)
    DEFERRABLE INITIALLY DEFERRED,
  CHECK ((reservation_id IS NULL) <> (keychain_id IS NULL)),
  CHECK (occupied_from <= occupied_until)
);

-- No two guests of a house share a code at one time. Safe because the write lock is held from BEGIN.
CREATE TRIGGER pins_one_at_a_time_insert BEFORE INSERT ON pins
WHEN EXISTS (SELECT 1 FROM pins p WHERE p.property_id = NEW.property_id AND p.code_index = NEW.code_index
  AND p.id <> NEW.id AND p.occupied_from < NEW.occupied_until AND NEW.occupied_from < p.occupied_until)
BEGIN SELECT RAISE(ABORT, 'pins_one_at_a_time'); END;
CREATE TRIGGER pins_one_at_a_time_update BEFORE UPDATE ON pins
WHEN EXISTS (SELECT 1 FROM pins p WHERE p.property_id = NEW.property_id AND p.code_index = NEW.code_index
  AND p.id <> NEW.id AND p.occupied_from < NEW.occupied_until AND NEW.occupied_from < p.occupied_until)
BEGIN SELECT RAISE(ABORT, 'pins_one_at_a_time'); END;
CREATE INDEX pins_by_code ON pins (property_id, code_index);

CREATE INDEX pins_by_reservation ON pins (property_id, reservation_id);
CREATE INDEX pins_by_keychain ON pins (property_id, keychain_id) WHERE keychain_id IS NOT NULL;
-- Those that can still be read, by their end.
CREATE INDEX pins_to_erase ON pins (property_id, occupied_until) WHERE sealed IS NOT NULL;

CREATE TABLE keychains (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  reservation_id BLOB,
  -- Whom it was made for by hand, where it is for no reservation. Empty once that is erased.
  holder TEXT,
  main_space_id BLOB NOT NULL,
  pin_id BLOB NOT NULL,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  -- The scheduled end of the stay that ends_at was computed from.
  scheduled_until BIGINT NOT NULL,
  generation INTEGER NOT NULL,
  revoked_at BIGINT,
  revoked_by TEXT,
  revoked_by_kind TEXT,
  revoke_reason TEXT,
  superseded_by BLOB,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  CHECK ((reservation_id IS NULL) <> (holder IS NULL)),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id),
  FOREIGN KEY (property_id, main_space_id) REFERENCES spaces (property_id, id),
  FOREIGN KEY (property_id, pin_id) REFERENCES pins (property_id, id),
  -- Deferred: the old keychain gives way before the new one stands.
  FOREIGN KEY (property_id, superseded_by) REFERENCES keychains (property_id, id)
    DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX keychains_one_per_reservation ON keychains (reservation_id)
  WHERE superseded_by IS NULL;
CREATE INDEX keychains_by_start ON keychains (property_id, starts_at, id);
CREATE INDEX keychains_by_pin ON keychains (property_id, pin_id);
CREATE INDEX keychains_by_reservation ON keychains (property_id, reservation_id);
CREATE INDEX keychains_to_erase ON keychains (property_id, ends_at) WHERE holder <> '';

-- What was decided about a reservation when the facts or the outcome changed: enough to explain it
-- later. No name of a guest, no digits.
CREATE TABLE decisions (
  property_id BLOB NOT NULL,
  reservation_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  policy_version INTEGER NOT NULL,
  -- Version of the rules it was made by.
  rules INTEGER NOT NULL,
  transfer TEXT NOT NULL,
  code TEXT,
  detail TEXT,
  facts TEXT NOT NULL,
  PRIMARY KEY (reservation_id, seq),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id)
);

-- What a change would do, listed for a person to look at before it is applied.
CREATE TABLE plans (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  change TEXT NOT NULL,
  operations TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  applied_at BIGINT,
  UNIQUE (property_id, id)
);

CREATE TABLE keychain_doors (
  keychain_id BLOB NOT NULL,
  property_id BLOB NOT NULL,
  space_id BLOB NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('MAIN', 'PARENT', 'COMMON')),
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  PRIMARY KEY (keychain_id, space_id),
  FOREIGN KEY (property_id, keychain_id) REFERENCES keychains (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id)
);
CREATE INDEX keychain_doors_by_space ON keychain_doors (property_id, space_id);

CREATE TABLE device_pins (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  pin_id BLOB NOT NULL,
  device_id BLOB NOT NULL,
  status TEXT NOT NULL CHECK (status IN
    ('WAITING', 'SENT', 'SET', 'BLOCKED', 'REMOVING', 'RESIDUAL', 'REMOVED')),
  -- Null when the device shall forget the PIN.
  desired_from BIGINT,
  desired_until BIGINT,
  confirmed_from BIGINT,
  confirmed_until BIGINT,
  confirmed_generation INTEGER,
  confirmed_how TEXT,
  confirmed_at BIGINT,
  code_matches BOOLEAN,
  -- When it was last read back and as wanted; when it was last found otherwise, and how.
  verified_at BIGINT,
  drifted_at BIGINT,
  drift TEXT CHECK (drift IN ('CHANGED', 'MISSING', 'UNWANTED')),
  generation INTEGER NOT NULL DEFAULT 1,
  done_generation INTEGER NOT NULL DEFAULT 0,
  -- When what it shall be last changed.
  wanted_since BIGINT NOT NULL,
  lease BLOB,
  lease_until BIGINT,
  next_attempt_at BIGINT,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  outcome_unknown BOOLEAN NOT NULL DEFAULT false,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (property_id, pin_id, device_id),
  FOREIGN KEY (property_id, pin_id) REFERENCES pins (property_id, id),
  FOREIGN KEY (property_id, device_id) REFERENCES devices (property_id, id),
  CHECK ((desired_from IS NULL) = (desired_until IS NULL)),
  CHECK ((lease IS NULL) = (lease_until IS NULL))
);
CREATE INDEX device_pins_by_device ON device_pins (property_id, device_id);
CREATE INDEX device_pins_due ON device_pins (next_attempt_at) WHERE done_generation < generation;
-- What the sweep watches: few rows each, however large the table grows.
CREATE INDEX device_pins_not_set ON device_pins (desired_from)
  WHERE status IN ('WAITING', 'SENT', 'BLOCKED');
CREATE INDEX device_pins_removing ON device_pins (wanted_since) WHERE status = 'REMOVING';
CREATE INDEX device_pins_residual ON device_pins (confirmed_until) WHERE status = 'RESIDUAL';

CREATE TABLE pin_pushes (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL,
  reservation_id BLOB NOT NULL,
  pin_id BLOB NOT NULL,
  integration_id BLOB NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('WAITING', 'STORED', 'REFUSED', 'REMOVING', 'REMOVED')),
  waiting_for TEXT CHECK (waiting_for IN ('DOOR', 'INTEGRATION', 'PERMISSION', 'RETRY')),
  external_token_id TEXT,
  -- Null when the PMS shall forget the PIN.
  desired_room_id BLOB,
  desired_from BIGINT,
  desired_until BIGINT,
  common_doors BOOLEAN NOT NULL DEFAULT false,
  -- When it was last read back and as wanted; when it was last found otherwise, and how.
  verified_at BIGINT,
  drifted_at BIGINT,
  drift TEXT CHECK (drift IN ('CHANGED', 'MISSING', 'UNWANTED')),
  -- When it was last tried to read it back.
  compared_at BIGINT,
  generation INTEGER NOT NULL DEFAULT 1,
  done_generation INTEGER NOT NULL DEFAULT 0,
  -- When what it shall be last changed.
  wanted_since BIGINT NOT NULL,
  lease BLOB,
  lease_until BIGINT,
  next_attempt_at BIGINT,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  error_said TEXT,
  outcome_unknown BOOLEAN NOT NULL DEFAULT false,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id),
  FOREIGN KEY (property_id, pin_id) REFERENCES pins (property_id, id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, desired_room_id) REFERENCES rooms (property_id, id),
  CHECK ((desired_from IS NULL) = (desired_until IS NULL)),
  CHECK ((desired_from IS NULL) = (desired_room_id IS NULL)),
  CHECK ((lease IS NULL) = (lease_until IS NULL))
);
CREATE UNIQUE INDEX pin_pushes_one_per_reservation ON pin_pushes (reservation_id);
CREATE INDEX pin_pushes_due ON pin_pushes (next_attempt_at) WHERE done_generation < generation;
CREATE INDEX pin_pushes_waiting ON pin_pushes (desired_from) WHERE status = 'WAITING';

CREATE TABLE problems (
  id BLOB PRIMARY KEY NOT NULL,
  property_id BLOB NOT NULL REFERENCES properties (id),
  key TEXT NOT NULL,
  subject_kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The same, where it is an identifier of ours.
  subject_id BLOB,
  detail TEXT NOT NULL DEFAULT '',
  critical BOOLEAN NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  resolved_at BIGINT,
  -- Put aside by a person; it comes back when its cause has gone and come again.
  dismissed_at BIGINT,
  dismissed_by TEXT,
  dismissed_by_kind TEXT,
  created_at BIGINT NOT NULL,
  UNIQUE (property_id, id)
);
CREATE UNIQUE INDEX problems_one_open ON problems (property_id, key, subject) WHERE resolved_at IS NULL;
CREATE INDEX problems_open_by_key ON problems (key, property_id, subject_id) WHERE resolved_at IS NULL;
CREATE INDEX problems_by_time ON problems (property_id, first_seen, id);
CREATE INDEX problems_by_subject ON problems (property_id, subject_id) WHERE subject_id IS NOT NULL;

CREATE TABLE events (
  property_id BLOB NOT NULL REFERENCES properties (id),
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  subject_kind TEXT NOT NULL,
  subject_id BLOB NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_name TEXT NOT NULL,
  cause TEXT,
  data TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (property_id, seq)
);

CREATE TABLE audit_entries (
  id BLOB PRIMARY KEY NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  property_id BLOB,
  seq BIGINT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_name TEXT NOT NULL,
  actor_id BLOB,
  action TEXT NOT NULL,
  subject_kind TEXT NOT NULL,
  subject_id BLOB NOT NULL,
  reason TEXT,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  at BIGINT NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (organization_id, seq),
  FOREIGN KEY (organization_id, property_id) REFERENCES properties (organization_id, id)
);
CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit_is_append_only'); END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit_is_append_only'); END;

CREATE TABLE jobs (
  id BLOB PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  -- Whose work it is. No key: who works on the house must not wait for who enqueues.
  property_id BLOB,
  args TEXT NOT NULL,
  trace TEXT,
  coalesce_key TEXT,
  group_key TEXT,
  priority SMALLINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'quarantined')),
  run_at BIGINT NOT NULL,
  again_at BIGINT CHECK (again_at IS NULL OR state = 'running'),
  generation BIGINT NOT NULL DEFAULT 0,
  lease BLOB,
  lease_until BIGINT,
  starts SMALLINT NOT NULL DEFAULT 0,
  attempts SMALLINT NOT NULL DEFAULT 0,
  code TEXT,
  created_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  CHECK ((state = 'running') = (lease IS NOT NULL)),
  CHECK ((lease IS NULL) = (lease_until IS NULL))
);
CREATE UNIQUE INDEX jobs_one_per_key ON jobs (kind, coalesce_key) WHERE state <> 'quarantined';
CREATE INDEX jobs_pending ON jobs (kind, priority DESC, run_at) WHERE state = 'pending';
CREATE INDEX jobs_groups ON jobs (kind, group_key, run_at)
  WHERE state = 'pending' AND group_key IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_quarantined ON jobs (kind, coalesce_key) WHERE state = 'quarantined';
CREATE INDEX jobs_quarantined_of_property ON jobs (property_id, changed_at, id)
  WHERE state = 'quarantined';

CREATE TABLE workers (
  id BLOB PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL
);

CREATE TABLE rate_gates (
  key TEXT PRIMARY KEY NOT NULL,
  -- Microseconds since 1970 at which the next permit falls due.
  next_at BIGINT NOT NULL
);

-- Vendors that do not answer, by integration. A row stands for trouble; the first answer takes it away.
-- No key: an integration is asked about before it is stored.
CREATE TABLE breakers (
  integration_id BLOB PRIMARY KEY NOT NULL,
  failures INTEGER NOT NULL,
  -- How often in a row it closed.
  trips INTEGER NOT NULL,
  troubled_since BIGINT NOT NULL,
  -- Nobody passes before; after it one call tries.
  closed_until BIGINT,
  trying_until BIGINT,
  changed_at BIGINT NOT NULL
);
