-- Every table that belongs to a hotel carries its property, and every key between such tables
-- carries it too, so that no row can point across properties.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  audit_seq bigint NOT NULL DEFAULT 0,
  audit_hash bytea NOT NULL DEFAULT ''::bytea,
  created_at timestamptz NOT NULL
);

CREATE TABLE properties (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name text NOT NULL,
  time_zone text,
  issue_at text NOT NULL DEFAULT 'BOOKING' CHECK (issue_at IN ('BOOKING', 'CHECK_IN')),
  buffer_before integer NOT NULL DEFAULT 0 CHECK (buffer_before BETWEEN 0 AND 1440),
  buffer_after integer NOT NULL DEFAULT 0 CHECK (buffer_after BETWEEN 0 AND 1440),
  horizon_days integer NOT NULL DEFAULT 365 CHECK (horizon_days BETWEEN 1 AND 730),
  on_check_out text NOT NULL DEFAULT 'REVOKE' CHECK (on_check_out IN ('REVOKE', 'KEEP_TO_END')),
  luggage_minutes integer NOT NULL DEFAULT 60 CHECK (luggage_minutes BETWEEN 0 AND 1440),
  pin_length integer NOT NULL DEFAULT 6 CHECK (pin_length BETWEEN 4 AND 9),
  cooldown_days integer NOT NULL DEFAULT 30 CHECK (cooldown_days BETWEEN 0 AND 90),
  push_pins boolean NOT NULL DEFAULT true,
  push_when text NOT NULL DEFAULT 'DOOR_ACCEPTED' CHECK (push_when IN ('DOOR_ACCEPTED', 'GRANTED')),
  -- Days after a stay in which its guest's name and PIN are kept, and when to look next for those that are over.
  retention_days integer NOT NULL DEFAULT 30 CHECK (retention_days BETWEEN 1 AND 365),
  next_erase_at timestamptz NOT NULL,
  -- Counts the changes of the columns above; what they were is in policy_versions.
  policy_version integer NOT NULL DEFAULT 1,
  mode text NOT NULL DEFAULT 'LIVE' CHECK (mode IN ('SETUP', 'LIVE')),
  -- The last number of the property's log. Raised in the transaction that writes the event, so
  -- that numbers grow in the order of commits.
  event_seq bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  UNIQUE (organization_id, id)
);
CREATE INDEX properties_due_erase ON properties (next_erase_at);

-- What a policy was before it was changed, as JSON, and who changed it.
CREATE TABLE policy_versions (
  property_id uuid NOT NULL REFERENCES properties (id),
  version integer NOT NULL,
  policy text NOT NULL,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  PRIMARY KEY (property_id, version)
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  password_hash text NOT NULL,
  disabled_at timestamptz,
  created_at timestamptz NOT NULL
);

CREATE TABLE memberships (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  organization_id uuid NOT NULL REFERENCES organizations (id),
  property_id uuid,
  role text NOT NULL CHECK (role IN ('OWNER', 'GENERAL_MANAGER', 'TEAM', 'HOUSEKEEPING', 'INSTALLER')),
  created_at timestamptz NOT NULL,
  FOREIGN KEY (organization_id, property_id) REFERENCES properties (organization_id, id)
);
CREATE UNIQUE INDEX memberships_one_role ON memberships (user_id, organization_id, property_id)
  WHERE property_id IS NOT NULL;
CREATE UNIQUE INDEX memberships_one_role_for_all ON memberships (user_id, organization_id)
  WHERE property_id IS NULL;

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  token_hash bytea NOT NULL UNIQUE,
  signed_in_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  name text NOT NULL,
  permissions text NOT NULL,
  key_prefix text NOT NULL UNIQUE,
  key_hash bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL
);

-- A value each key-encryption key can open: tells a wrong key at the start.
CREATE TABLE key_checks (
  kek_id bytea PRIMARY KEY,
  check_value bytea NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE data_keys (
  id uuid PRIMARY KEY,
  purpose text NOT NULL CHECK (purpose IN ('PINS', 'INDEX')),
  -- Null for the installation's index key.
  property_id uuid REFERENCES properties (id),
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL,
  CHECK ((purpose = 'INDEX') = (property_id IS NULL))
);
CREATE UNIQUE INDEX data_keys_one_for_pins ON data_keys (property_id) WHERE purpose = 'PINS';
CREATE UNIQUE INDEX data_keys_one_for_index ON data_keys (purpose) WHERE purpose = 'INDEX';

CREATE TABLE integrations (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  app text NOT NULL,
  category text NOT NULL CHECK (category IN ('PMS', 'LOCK')),
  status text NOT NULL CHECK (status IN ('PENDING', 'CONNECTED', 'BROKEN', 'DISCONNECTED')),
  status_reason text,
  status_by text,
  status_since timestamptz NOT NULL,
  account_key text,
  account_name text,
  -- The app's identifier of our connection to the account, learned from its webhooks: some name nothing else.
  connection_key text,
  refusals integer NOT NULL DEFAULT 0,
  last_refused_at timestamptz,
  last_validated_at timestamptz,
  next_validation_at timestamptz,
  sync_state text CHECK (sync_state IN ('FIRST_LOAD', 'CATCHING_UP', 'CURRENT')),
  last_synced_at timestamptz,
  next_sync_at timestamptz,
  next_rooms_at timestamptz,
  -- Reading back what is held: when it begins next, since when it goes on, when it was last done.
  next_compare_at timestamptz,
  compare_since timestamptz,
  compared_at timestamptz,
  may_store_pins boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
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
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  app text NOT NULL,
  version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('CANDIDATE', 'ACTIVE', 'RETIRED')),
  sealed bytea,
  wrapped_key bytea,
  fingerprint bytea NOT NULL,
  set_by uuid NOT NULL REFERENCES users (id),
  set_at timestamptz NOT NULL,
  verdict_due_at timestamptz,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  UNIQUE (integration_id, version),
  CHECK ((state = 'RETIRED') = (sealed IS NULL)),
  CHECK ((sealed IS NULL) = (wrapped_key IS NULL))
);
CREATE UNIQUE INDEX credentials_one_active ON credentials (integration_id) WHERE state = 'ACTIVE';
CREATE UNIQUE INDEX credentials_one_candidate ON credentials (integration_id) WHERE state = 'CANDIDATE';
CREATE UNIQUE INDEX credentials_one_place ON credentials (app, fingerprint) WHERE state <> 'RETIRED';

CREATE TABLE validation_attempts (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  integration_id uuid,
  trigger text NOT NULL,
  outcome text NOT NULL,
  http_status integer,
  pms_request_id text,
  at timestamptz NOT NULL,
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);
CREATE INDEX validation_attempts_of_integration ON validation_attempts (integration_id, at);

CREATE TABLE sync_cursors (
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  stream text NOT NULL CHECK (stream IN ('CHANGES', 'WINDOW')),
  body text,
  window_from timestamptz,
  window_to timestamptz,
  started_at timestamptz NOT NULL,
  PRIMARY KEY (integration_id, stream),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);

-- Reservations the PMS told to look at again.
CREATE TABLE hints (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  external_id text NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id)
);

CREATE TABLE rooms (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  external_id text NOT NULL,
  parent_id uuid,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ROOM', 'BED', 'DORM', 'OTHER')),
  active boolean NOT NULL,
  removed_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, parent_id) REFERENCES rooms (property_id, id)
);
CREATE INDEX rooms_by_name ON rooms (property_id, name, id);
CREATE INDEX rooms_by_parent ON rooms (property_id, parent_id);

CREATE TABLE spaces (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ROOM', 'COMMON_AREA', 'OTHER')),
  archived_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (property_id, id)
);
CREATE UNIQUE INDEX spaces_one_name ON spaces (property_id, name) WHERE archived_at IS NULL;

-- Common areas that open together with a main room. Without a row nobody's keychain opens one.
CREATE TABLE space_links (
  property_id uuid NOT NULL,
  main_space_id uuid NOT NULL,
  linked_space_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  created_by uuid,
  PRIMARY KEY (main_space_id, linked_space_id),
  FOREIGN KEY (property_id, main_space_id) REFERENCES spaces (property_id, id),
  FOREIGN KEY (property_id, linked_space_id) REFERENCES spaces (property_id, id),
  CHECK (main_space_id <> linked_space_id)
);
CREATE INDEX space_links_by_linked ON space_links (property_id, linked_space_id);

CREATE TABLE room_mappings (
  room_id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  space_id uuid NOT NULL,
  source text NOT NULL CHECK (source IN ('MANUAL', 'IMPORT')),
  created_by uuid,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (property_id, room_id) REFERENCES rooms (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id)
);
CREATE INDEX room_mappings_by_space ON room_mappings (property_id, space_id);

CREATE TABLE devices (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  external_id text NOT NULL,
  name text NOT NULL,
  space_id uuid,
  installed_at timestamptz,
  installed_by text,
  connectivity text NOT NULL CHECK (connectivity IN ('ONLINE', 'OFFLINE', 'UNKNOWN')),
  last_seen_at timestamptz,
  rules text NOT NULL,
  -- When it was last tried to read back what it holds.
  compared_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (property_id, id),
  UNIQUE (integration_id, external_id),
  FOREIGN KEY (property_id, integration_id) REFERENCES integrations (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id),
  CHECK ((space_id IS NULL) = (installed_at IS NULL))
);
CREATE INDEX devices_by_name ON devices (property_id, name, id);
CREATE INDEX devices_by_space ON devices (property_id, space_id);

CREATE TABLE reservations (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  external_id text NOT NULL,
  external_line text NOT NULL DEFAULT '',
  number text NOT NULL,
  state text NOT NULL,
  raw_state text NOT NULL,
  room_id uuid,
  -- The room as the PMS names it; kept while Portal does not know that room yet.
  room_external_id text,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  actual_start timestamptz,
  actual_end timestamptz,
  checked_in_seen_at timestamptz,
  -- The PMS's identifier of the guest: the same for the stays of one person.
  guest_key text,
  -- Empty once it is erased.
  guest_name text,
  remote_updated_at timestamptz,
  -- When a read last held it, changed or not: what a complete read leaves out is gone.
  seen_at timestamptz NOT NULL,
  revision integer NOT NULL,
  decided_revision integer NOT NULL DEFAULT 0,
  decided_at timestamptz,
  decide_at timestamptz,
  transfer text NOT NULL CHECK (transfer IN ('WITHHELD', 'TRANSFERRED', 'ENDED')),
  withheld_code text,
  withheld_detail text,
  withheld_since timestamptz,
  transferred_at timestamptz,
  blocked_by text,
  blocked_at timestamptz,
  blocked_reason text,
  created_at timestamptz NOT NULL,
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
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  -- For whose sake it was chosen: a reservation, or a keychain made by hand.
  reservation_id uuid,
  keychain_id uuid,
  -- Null once it is erased.
  sealed bytea,
  code_index bytea NOT NULL,
  length integer NOT NULL,
  proof text NOT NULL,
  occupied_from timestamptz NOT NULL,
  occupied_until timestamptz NOT NULL,
  retired_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (property_id, id),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id),
  CHECK ((reservation_id IS NULL) <> (keychain_id IS NULL)),
  CHECK (occupied_from <= occupied_until),
  -- No two guests of a house share a code at one time.
  CONSTRAINT pins_one_at_a_time EXCLUDE USING gist (
    property_id WITH =, code_index WITH =, tstzrange(occupied_from, occupied_until) WITH &&)
);

CREATE INDEX pins_by_reservation ON pins (property_id, reservation_id);
CREATE INDEX pins_by_keychain ON pins (property_id, keychain_id) WHERE keychain_id IS NOT NULL;
-- Those that can still be read, by their end.
CREATE INDEX pins_to_erase ON pins (property_id, occupied_until) WHERE sealed IS NOT NULL;

CREATE TABLE keychains (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  reservation_id uuid,
  -- Whom it was made for by hand, where it is for no reservation. Empty once that is erased.
  holder text,
  main_space_id uuid NOT NULL,
  pin_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  -- The scheduled end of the stay that ends_at was computed from.
  scheduled_until timestamptz NOT NULL,
  generation integer NOT NULL,
  revoked_at timestamptz,
  revoked_by text,
  revoked_by_kind text,
  revoke_reason text,
  superseded_by uuid,
  created_at timestamptz NOT NULL,
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
-- Deferred: the PIN is stored before its keychain.
ALTER TABLE pins ADD FOREIGN KEY (property_id, keychain_id) REFERENCES keychains (property_id, id)
  DEFERRABLE INITIALLY DEFERRED;

-- What was decided about a reservation when the facts or the outcome changed: enough to explain it
-- later. No name of a guest, no digits.
CREATE TABLE decisions (
  property_id uuid NOT NULL,
  reservation_id uuid NOT NULL,
  seq integer NOT NULL,
  at timestamptz NOT NULL,
  revision integer NOT NULL,
  policy_version integer NOT NULL,
  -- Version of the rules it was made by.
  rules integer NOT NULL,
  transfer text NOT NULL,
  code text,
  detail text,
  facts text NOT NULL,
  PRIMARY KEY (reservation_id, seq),
  FOREIGN KEY (property_id, reservation_id) REFERENCES reservations (property_id, id)
);

-- What a change would do, listed for a person to look at before it is applied.
CREATE TABLE plans (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  change text NOT NULL,
  operations text NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  expires_at timestamptz NOT NULL,
  applied_at timestamptz,
  UNIQUE (property_id, id)
);

CREATE TABLE keychain_doors (
  keychain_id uuid NOT NULL,
  property_id uuid NOT NULL,
  space_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('MAIN', 'PARENT', 'COMMON')),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  PRIMARY KEY (keychain_id, space_id),
  FOREIGN KEY (property_id, keychain_id) REFERENCES keychains (property_id, id),
  FOREIGN KEY (property_id, space_id) REFERENCES spaces (property_id, id)
);
CREATE INDEX keychain_doors_by_space ON keychain_doors (property_id, space_id);

CREATE TABLE device_pins (
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  pin_id uuid NOT NULL,
  device_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN
    ('WAITING', 'SENT', 'SET', 'BLOCKED', 'REMOVING', 'RESIDUAL', 'REMOVED')),
  -- Null when the device shall forget the PIN.
  desired_from timestamptz,
  desired_until timestamptz,
  confirmed_from timestamptz,
  confirmed_until timestamptz,
  confirmed_generation integer,
  confirmed_how text,
  confirmed_at timestamptz,
  code_matches boolean,
  -- When it was last read back and as wanted; when it was last found otherwise, and how.
  verified_at timestamptz,
  drifted_at timestamptz,
  drift text CHECK (drift IN ('CHANGED', 'MISSING', 'UNWANTED')),
  generation integer NOT NULL DEFAULT 1,
  done_generation integer NOT NULL DEFAULT 0,
  -- When what it shall be last changed.
  wanted_since timestamptz NOT NULL,
  lease uuid,
  lease_until timestamptz,
  next_attempt_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  outcome_unknown boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
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
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL,
  reservation_id uuid NOT NULL,
  pin_id uuid NOT NULL,
  integration_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('WAITING', 'STORED', 'REFUSED', 'REMOVING', 'REMOVED')),
  waiting_for text CHECK (waiting_for IN ('DOOR', 'INTEGRATION', 'PERMISSION', 'RETRY')),
  external_token_id text,
  -- Null when the PMS shall forget the PIN.
  desired_room_id uuid,
  desired_from timestamptz,
  desired_until timestamptz,
  common_doors boolean NOT NULL DEFAULT false,
  -- When it was last read back and as wanted; when it was last found otherwise, and how.
  verified_at timestamptz,
  drifted_at timestamptz,
  drift text CHECK (drift IN ('CHANGED', 'MISSING', 'UNWANTED')),
  -- When it was last tried to read it back.
  compared_at timestamptz,
  generation integer NOT NULL DEFAULT 1,
  done_generation integer NOT NULL DEFAULT 0,
  -- When what it shall be last changed.
  wanted_since timestamptz NOT NULL,
  lease uuid,
  lease_until timestamptz,
  next_attempt_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  error_said text,
  outcome_unknown boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
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
  id uuid PRIMARY KEY,
  property_id uuid NOT NULL REFERENCES properties (id),
  key text NOT NULL,
  subject_kind text NOT NULL,
  subject text NOT NULL,
  -- The same, where it is an identifier of ours.
  subject_id uuid,
  detail text NOT NULL DEFAULT '',
  critical boolean NOT NULL,
  count integer NOT NULL DEFAULT 1,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  resolved_at timestamptz,
  -- Put aside by a person; it comes back when its cause has gone and come again.
  dismissed_at timestamptz,
  dismissed_by text,
  dismissed_by_kind text,
  created_at timestamptz NOT NULL,
  UNIQUE (property_id, id)
);
CREATE UNIQUE INDEX problems_one_open ON problems (property_id, key, subject) WHERE resolved_at IS NULL;
CREATE INDEX problems_open_by_key ON problems (key, property_id, subject_id) WHERE resolved_at IS NULL;
CREATE INDEX problems_by_time ON problems (property_id, first_seen, id);
CREATE INDEX problems_by_subject ON problems (property_id, subject_id) WHERE subject_id IS NOT NULL;

CREATE TABLE events (
  property_id uuid NOT NULL REFERENCES properties (id),
  seq bigint NOT NULL,
  kind text NOT NULL,
  subject_kind text NOT NULL,
  subject_id uuid NOT NULL,
  actor_kind text NOT NULL,
  actor_name text NOT NULL,
  cause text,
  data text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (property_id, seq)
);

CREATE TABLE audit_entries (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  property_id uuid,
  seq bigint NOT NULL,
  actor_kind text NOT NULL,
  actor_name text NOT NULL,
  actor_id uuid,
  action text NOT NULL,
  subject_kind text NOT NULL,
  subject_id uuid NOT NULL,
  reason text,
  before text NOT NULL,
  after text NOT NULL,
  at timestamptz NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  UNIQUE (organization_id, seq),
  FOREIGN KEY (organization_id, property_id) REFERENCES properties (organization_id, id)
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'audit_is_append_only'; END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
  FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  -- Whose work it is. No key: who works on the house must not wait for who enqueues.
  property_id uuid,
  args text NOT NULL,
  trace text,
  coalesce_key text,
  group_key text,
  priority smallint NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'running', 'quarantined')),
  run_at timestamptz NOT NULL,
  again_at timestamptz CHECK (again_at IS NULL OR state = 'running'),
  generation bigint NOT NULL DEFAULT 0,
  lease uuid,
  lease_until timestamptz,
  starts smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  code text,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
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
  id uuid PRIMARY KEY,
  name text NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL
);

CREATE TABLE rate_gates (
  key text PRIMARY KEY,
  -- Microseconds since 1970 at which the next permit falls due.
  next_at bigint NOT NULL
);

-- Vendors that do not answer, by integration. A row stands for trouble; the first answer takes it away.
-- No key: an integration is asked about before it is stored.
CREATE TABLE breakers (
  integration_id uuid PRIMARY KEY,
  failures integer NOT NULL,
  -- How often in a row it closed.
  trips integer NOT NULL,
  troubled_since timestamptz NOT NULL,
  -- Nobody passes before; after it one call tries.
  closed_until timestamptz,
  trying_until timestamptz,
  changed_at timestamptz NOT NULL
);
