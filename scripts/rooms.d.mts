export const ROOMS: Record<string, string[]>
export const MAIN_FILES: Record<string, string>
