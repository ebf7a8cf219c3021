/** What is used of React, which is the app's to install. */
declare module "react" {
  export function useSyncExternalStore<T>(
    subscribe: (changed: () => void) => () => void,
    getSnapshot: () => T,
    getServerSnapshot?: () => T,
  ): T;
}
