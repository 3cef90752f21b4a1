/** Set-user-id, set-group-id and sticky bits, and permission for everybody to write. */
const GIVES_AWAY = 0o7002
const GROUP_WRITES = 0o020

/** Read once: Node has to change the umask for a moment to read it. */
const UMASK = process.umask()

/**
 * The mode that a file or folder of a version gets on this machine. What would let other users act as this one is left
 * out. The group keeps its permission to write, unless everybody had it and the umask takes it: nobody chose a group
 * then.
 */
export function restoredMode(mode: number, umask = UMASK): number {
  return mode & ~GIVES_AWAY & ~((mode & 0o002) === 0 ? 0 : umask & GROUP_WRITES)
}

/** The mode that a file or folder of an archive gets. As for a new file, the umask counts. */
export function unpackedMode(mode: number, umask = UMASK): number {
  return mode & 0o777 & ~GIVES_AWAY & ~umask
}
