// Makes Monaco start its workers from files of our own origin. Comes first:
// Monaco looks for this when it loads.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';

import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { portalFetcher } from './fetcher.js';
import { memoryStorage } from './memory-storage.js';

const DEFAULT_QUERY = `# Ctrl-Enter runs the operation, Ctrl-Space completes.
# The book on the left opens the documentation.
# What you type is gone when this page closes.

{ viewer { name permissions } }
`;

createRoot(document.getElementById('root')).render(
  <GraphiQL
    fetcher={portalFetcher}
    storage={memoryStorage()}
    defaultQuery={DEFAULT_QUERY}
    // The session cookie is the only credential, so there is no header to type.
    isHeadersEditorEnabled={false}
    shouldPersistHeaders={false}
    // Deprecated arguments and the schema's own description are documentation too.
    inputValueDeprecation
    schemaDescription
  >
    {/* The original links to another host. */}
    <GraphiQL.Logo>Portal</GraphiQL.Logo>
  </GraphiQL>,
);
