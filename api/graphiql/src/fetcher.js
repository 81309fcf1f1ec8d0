import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

const ENDPOINT = '/graphql';

/** GraphiQL's way to Portal: subscriptions by WebSocket, the rest by POST. */
export function portalFetcher(operation) {
  return isSubscription(operation) ? subscription(operation) : post(operation);
}

function isSubscription({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === 'subscription';
  } catch {
    // Not GraphQL: Portal says what is wrong better than we could.
    return false;
  }
}

async function post(operation) {
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      credentials: 'same-origin',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/graphql-response+json, application/json;q=0.9',
        // Portal takes the cookie only together with this header, which a
        // form on another site cannot send.
        'X-Portal-CSRF': '1',
      },
      body: JSON.stringify(operation),
    });
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      return failure(`Portal answered ${response.status} without JSON.`);
    }
  } catch {
    return failure('Portal could not be reached.');
  }
}

// Opens with the first subscription and closes after the last. The cookie goes
// along with the upgrade, so connection_init stays empty. No silent retries:
// whoever tries a subscription here wants to see it end.
const socket = createClient({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${ENDPOINT}`,
  retryAttempts: 0,
});

/** An observable, because GraphiQL can end that while it waits for an event. */
function subscription(operation) {
  return {
    subscribe(sink) {
      const unsubscribe = socket.subscribe(operation, {
        next: sink.next,
        complete: sink.complete,
        error(reason) {
          // Shown as a result: GraphiQL would print a stack with an error.
          sink.next(Array.isArray(reason) ? { errors: reason } : failure(closeText(reason)));
          sink.complete();
        },
      });
      return { unsubscribe };
    },
  };
}

function closeText(reason) {
  return reason?.code
    ? `The socket was closed: ${reason.code} ${reason.reason ?? ''}`.trim()
    : 'The socket could not be opened.';
}

function failure(message) {
  return { errors: [{ message }] };
}
