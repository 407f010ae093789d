import { Center, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { Failure } from "../parts/Failure";
import { ButtonLink } from "../parts/Link";
import { Door } from "./Door";
import { safeNext } from "./next";
import { comeBack, turnedAway } from "./openid";

const route = getRouteApi("/login/openid/$provider");

/** Where an OpenID provider sends the browser back to. */
export function ComeBack() {
  const { provider } = route.useParams();
  const router = useRouter();
  const queries = useQueryClient();
  const begun = useRef(false);
  const finish = useMutation({
    mutationFn: () => comeBack(provider),
    onSuccess: async ({ links, next }) => {
      queries.clear();
      await router.navigate({ href: links ? "/profile" : safeNext(next) ?? "/", replace: true });
    },
  });
  const { mutate } = finish;
  useEffect(() => {
    if (begun.current || turnedAway) return;
    begun.current = true; // what came back is good once
    mutate();
  }, [mutate]);
  if (!finish.error && !turnedAway) {
    return <Door title="Logging you in"><Center><Loader aria-label="Logging you in" /></Center></Door>;
  }
  return (
    <Door title="That did not work">
      <Stack gap="md">
        <Failure error={finish.error} />
        {turnedAway ? <Text>The provider did not say who you are. You may have cancelled it there.</Text> : null}
        <ButtonLink to="/login" fullWidth>Back to the log-in</ButtonLink>
      </Stack>
    </Door>
  );
}
