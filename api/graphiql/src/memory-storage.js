/**
 * What GraphiQL keeps between two visits, kept for one visit only: variables
 * may hold a vendor's token, and localStorage would hold on to it for good.
 */
export function memoryStorage() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    clear: () => items.clear(),
    get length() {
      return items.size;
    },
  };
}
