import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { Link, Route, Router, Switch } from "wouter";
import { asApiError } from "../api/client";
import { onSignedIn } from "../api/signedIn";
import { Empty } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { Layout } from "./Layout";
import { PLACES } from "./pages";
import { keepTrying } from "./recovery";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // what a browser says of its network is no answer of the service
      staleTime: 15_000, // going back shows what was there
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && asApiError(error).isPassing,
      retryDelay: (failures, error) => 1000 * (asApiError(error).retryAfterS ?? 2 ** failures),
    },
    mutations: { networkMode: "always" },
  },
});

keepTrying(client);
onSignedIn(() => void client.refetchQueries({ predicate: ({ state }) => state.status === "error" }));

export function App() {
  return (
    <QueryClientProvider client={client}>
      <Router base="/app">
        <Layout>
          <Suspense fallback={<Skeleton lines={12} />}>
            <Switch>
              {PLACES.map((place) => (
                <Route key={place.path} path={place.path} component={place.page} />
              ))}
              <Route>
                <Empty isPage title="There is no such page">
                  <p>
                    The address may have been cut. <Link href="/">Search</Link> is a good place to begin.
                  </p>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </Layout>
      </Router>
    </QueryClientProvider>
  );
}
