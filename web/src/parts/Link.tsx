import { Anchor, Button, type AnchorProps, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef } from "react";

type Plain<Own> = Own & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof Own>;

/** A link within the console that looks like text. */
export const TextLink = createLink(
  forwardRef<HTMLAnchorElement, Plain<AnchorProps>>((props, ref) => <Anchor ref={ref} inherit {...props} />),
);

/** A link within the console that looks like a button. */
export const ButtonLink = createLink(
  forwardRef<HTMLAnchorElement, Plain<ButtonProps>>((props, ref) => <Button component="a" ref={ref} {...props} />),
);
