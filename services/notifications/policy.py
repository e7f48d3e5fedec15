"""Who can call each RPC: one row per RPC."""

from runtime.rpc.policy import GATEWAY, IDENTITY, OPERATORS, People, Policy, Rule

_NOTIFICATIONS = "trivet.notifications.v1.NotificationService"
_PREFERENCES = "trivet.notifications.v1.PreferenceService"
_LOGS = "trivet.notifications.v1.LogService"
_MAILBOX = "trivet.notifications.v1.MailboxService"
_AUDIT = "trivet.notifications.v1.AuditService"
_USER_DATA = "trivet.notifications.v1.UserDataService"

POLICY: Policy = {
    f"{_NOTIFICATIONS}/CreateNotification": Rule(People.ADMINS, services=IDENTITY | OPERATORS),
    f"{_NOTIFICATIONS}/GetNotification": Rule(People.THEMSELVES),
    f"{_NOTIFICATIONS}/ListNotifications": Rule(People.THEMSELVES, owner="user_id"),
    f"{_NOTIFICATIONS}/MarkRead": Rule(People.THEMSELVES),
    f"{_NOTIFICATIONS}/BatchMarkRead": Rule(People.THEMSELVES, owner="user_id"),
    f"{_NOTIFICATIONS}/MarkAllRead": Rule(People.THEMSELVES, owner="user_id"),
    f"{_NOTIFICATIONS}/DeleteNotification": Rule(People.THEMSELVES),
    f"{_NOTIFICATIONS}/CountUnread": Rule(People.THEMSELVES, owner="user_id"),
    f"{_NOTIFICATIONS}/GetNotificationStats": Rule(People.THEMSELVES, owner="user_id"),
    f"{_PREFERENCES}/ListPreferences": Rule(People.THEMSELVES, owner="user_id"),
    f"{_PREFERENCES}/SetPreference": Rule(People.THEMSELVES, owner="preference.user_id"),
    f"{_LOGS}/WriteLogs": Rule(People.NONE, services=GATEWAY),
    f"{_LOGS}/QueryLogs": Rule(People.ADMINS),
    f"{_MAILBOX}/ListMailboxMessages": Rule(People.NONE, services=GATEWAY),
    f"{_AUDIT}/RecordAuditEvents": Rule(People.NONE, services=IDENTITY),
    f"{_AUDIT}/ListAuditEvents": Rule(People.ADMINS, services=OPERATORS),
    f"{_USER_DATA}/EraseUserData": Rule(People.NONE, services=IDENTITY | OPERATORS),
    f"{_USER_DATA}/ExportUserData": Rule(People.ADMINS, services=OPERATORS),
}
