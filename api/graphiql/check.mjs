// Opens GraphiQL of a running Portal in Chromium and uses it like a person.
//
//   sh build.sh                      (installs playwright-core as well)
//   PORTAL_URL=http://localhost:8080 PORTAL_EMAIL=… PORTAL_PASSWORD=… node check.mjs
//
// Optional: SCREENSHOT=file.png, CHROMIUM=/path/to/chromium, and
// PORTAL_SUBSCRIPTION='subscription { … }', which has to give an event within
// 10 seconds. Prints one line per check; the exit code says whether all passed.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "font-src 'self' data:; img-src 'self' data:; worker-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const { PORTAL_EMAIL, PORTAL_PASSWORD, PORTAL_SUBSCRIPTION, SCREENSHOT } = process.env;
if (!process.env.PORTAL_URL || !PORTAL_EMAIL || !PORTAL_PASSWORD) {
  console.error('Set PORTAL_URL, PORTAL_EMAIL and PORTAL_PASSWORD.');
  process.exit(2);
}
const portal = new URL(process.env.PORTAL_URL).origin;

// The editors; the tools below the first one have one visible at a time.
const QUERY = '.graphiql-query-editor .monaco-editor';
const VARIABLES = '.graphiql-editor-tool .monaco-editor:visible';

// Part of everything typed below, to be looked for in the browser's storage.
const mark = `typed-${randomUUID().slice(0, 8)}`;
const complaints = [];
const violations = [];
const strangers = [];
let failures = 0;

/** Runs one check, shows what it returns beside its name, says whether it passed. */
async function check(name, run) {
  try {
    const note = await run();
    console.log(`ok    ${name}${note ? ` (${note})` : ''}`);
    return true;
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}: ${String(error.message ?? error).split('\n')[0]}`);
    return false;
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

// A profile of its own, so that nothing from an earlier run helps or hurts.
const profile = await mkdtemp(join(tmpdir(), 'portal-graphiql-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  viewport: { width: 1500, height: 800 },
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

try {
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(15_000);
  await watch(page);
  await useGraphiQL(page);
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}
console.log(failures ? `${failures} failed` : 'all passed');
process.exitCode = failures ? 1 : 0;

/** Collects what a page must not do; requests of workers are seen as well. */
async function watch(page) {
  browser.on('request', (request) => stranger(request.url()));
  page.on('websocket', (socket) => stranger(socket.url()));
  browser.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  browser.on('weberror', (error) => complaints.push(String(error.error())));
  page.on('worker', (worker) =>
    worker.on('console', (line) => line.type() === 'error' && complaints.push(line.text())),
  );
  await page.exposeFunction('reportViolation', (text) => violations.push(text));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
}

function stranger(address) {
  const url = new URL(address);
  const remote = ['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol);
  if (remote && url.host !== new URL(portal).host) strangers.push(address);
}

async function useGraphiQL(page) {
  const result = page.locator('.result-window .view-lines');
  // As JSON, the way the result shows it.
  let name;

  await check('a visitor is sent to the sign-in page', async () => {
    await page.goto(`${portal}/graphiql`);
    expect(new URL(page.url()).pathname === '/auth/sign-in', `landed on ${page.url()}`);
  });

  const signedIn = await check('signing in works', async () => {
    await page.fill('input[name=email]', PORTAL_EMAIL);
    await page.fill('input[name=password]', PORTAL_PASSWORD);
    await Promise.all([
      page.waitForURL((url) => url.pathname !== '/auth/sign-in'),
      page.click('button[type=submit], input[type=submit], form button:not([type])'),
    ]);
    // Asked past the page, to know what the page has to show.
    const answer = await browser.request.post(`${portal}/graphql`, {
      headers: { 'X-Portal-CSRF': '1', Origin: portal },
      data: { query: '{ viewer { name } }' },
    });
    const viewer = (await answer.json()).data?.viewer;
    expect(viewer?.name, `no viewer: ${answer.status()} ${await answer.text()}`);
    name = JSON.stringify(viewer.name);
    return name;
  });
  if (!signedIn) return;

  // From here on it is GraphiQL's page that counts, not what led to it.
  complaints.length = 0;
  violations.length = 0;
  const opened = Date.now();

  await check('the page comes with its policy', async () => {
    const answer = await page.goto(`${portal}/graphiql`);
    expect(answer.status() === 200, `status ${answer.status()}`);
    const policy = (await answer.headerValue('content-security-policy')) ?? 'none';
    expect(policy.replace(/;$/, '') === POLICY, policy);
    expect((await page.title()) === 'Portal GraphiQL', `title ${await page.title()}`);
  });

  await check('the schema is shown', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.locator('.graphiql-doc-explorer-root-type').first().waitFor();
    return `${Date.now() - opened} ms after opening`;
  });

  await check('the root field viewer is documented', async () => {
    const docs = page.locator('.graphiql-doc-explorer');
    await docs.getByRole('link', { name: 'Query', exact: true }).click();
    await docs.getByRole('link', { name: 'viewer', exact: true }).click();
    await docs.locator('.graphiql-doc-explorer-title', { hasText: 'viewer' }).waitFor();
    return (await docs.locator('.graphiql-markdown-description').first().textContent()).trim();
  });

  await check('the query of the new tab runs by the button', async () => {
    await page.getByRole('button', { name: /^Execute query/ }).click();
    await shows(result, `"name": ${name}`, '"permissions"');
  });

  // Each query below answers with other keys than the one before it, so that
  // an answer left standing cannot pass for the new one.
  await check('a typed query runs by Ctrl-Enter', async () => {
    await type(page, QUERY, `# ${mark}\n{ viewer { typed: name permissions } }`);
    await page.keyboard.press('Control+Enter');
    await shows(result, `"typed": ${name}`, '"permissions"');
  });

  await check('typed variables are sent', async () => {
    await page.getByRole('button', { name: 'Variables', exact: true }).click();
    await type(page, VARIABLES, JSON.stringify({ as: true, note: mark }));
    const query = 'query Check($as: Boolean!) { viewer { given: name @include(if: $as) } }';
    await type(page, QUERY, `# ${mark}\n${query}`);
    await page.keyboard.press('Control+Enter');
    await shows(result, `"given": ${name}`);
  });

  if (PORTAL_SUBSCRIPTION) {
    await check('a subscription gives an event', async () => {
      await type(page, QUERY, `# ${mark}\n${PORTAL_SUBSCRIPTION}`);
      const socket = page.waitForEvent('websocket');
      await page.keyboard.press('Control+Enter');
      await (await socket).waitForEvent('framereceived', {
        predicate: ({ payload }) => JSON.parse(payload).type === 'next',
        timeout: 10_000,
      });
      await shows(result, '"data": {');
      const stop = page.getByRole('button', { name: /^Stop query/ });
      if (await stop.isVisible()) await stop.click();
    });
  }

  await check('the plain query runs after all that', async () => {
    await type(page, QUERY, `# ${mark}\n{ viewer { name permissions } }`);
    await page.keyboard.press('Control+Enter');
    await shows(result, `"name": ${name}`, '"permissions"');
    if (SCREENSHOT) await page.screenshot({ path: SCREENSHOT });
  });

  // GraphiQL writes its tabs half a second after the last key.
  await page.waitForTimeout(1_000);

  await check('nothing typed is kept in the browser', async () => {
    const kept = await page.evaluate(() => ({ ...localStorage, ...sessionStorage }));
    const text = JSON.stringify(kept);
    expect(!text.includes(mark) && !text.includes('graphiql:'), text);
  });

  await check('no error on the console', () => expect(!complaints.length, complaints.join(' | ')));
  await check('no breach of the policy', () => expect(!violations.length, violations.join(' | ')));
  await check('no request to another host', () => expect(!strangers.length, strangers.join(' | ')));
}

/** Replaces an editor's text, in one piece so that Monaco closes no brackets. */
async function type(page, editor, text) {
  await page.locator(editor).click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
  // GraphiQL reads the operation's name a moment after the last key; sooner it
  // would send the name of the operation that stood here before.
  await page.waitForTimeout(500);
}

async function shows(result, ...texts) {
  try {
    await texts.reduce((found, text) => found.filter({ hasText: text }), result).waitFor();
  } catch {
    throw new Error(`no ${texts.join(' and ')} in: ${await result.textContent()}`);
  }
}
