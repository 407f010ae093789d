import type { Options, Price } from "../api/client";

export interface Wanted {
  size: string;
  count: number;
}

/**
 * Exact decimals are strings; the sum of a page's prices is an estimate for the eye,
 * for which the browser's numbers do. Undefined where something has no price.
 */
export function estimate(options: Options, pools: Wanted[], of: keyof Price): number | undefined {
  if (!options.control_plane_price) return undefined;
  let sum = Number(options.control_plane_price[of]);
  for (const { size, count } of pools) {
    const price = options.sizes?.find((s) => s.name === size)?.price;
    if (!price) return undefined;
    sum += Number(price[of]) * count;
  }
  return sum;
}

export function money(amount: number, currency: string, digits: number): string {
  return new Intl.NumberFormat(undefined, { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits }).format(amount);
}
