/** For messages: `3.2 MB`, from 10 MB on without decimals. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
