/** What a task is at a moment: `Admin.Status`. */
export const statusNames = ["ready", "limited", "scheduled", "waiting", "running", "parked", "ended"] as const
