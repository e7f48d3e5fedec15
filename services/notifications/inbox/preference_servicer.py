"""PreferenceService over gRPC: decode, one call, encode."""

from runtime.rpc.actor import subject
from runtime.rpc.interceptor_chain import Context
from services.notifications.inbox import preference_messages
from services.notifications.inbox.preferences import Preferences
from trivet.notifications.v1 import preference_service_pb2 as pb
from trivet.notifications.v1.preference_service_pb2_grpc import PreferenceServiceServicer


class PreferenceServicer(PreferenceServiceServicer):
    """`trivet.notifications.v1.PreferenceService`."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    async def ListPreferences(self, request: pb.ListPreferencesRequest, context: Context) -> pb.ListPreferencesResponse:
        found = await self._preferences.list_of(subject(request.user_id))
        return pb.ListPreferencesResponse(preferences=[preference_messages.encode_preference(each) for each in found])

    async def SetPreference(self, request: pb.SetPreferenceRequest, context: Context) -> pb.Preference:
        message = request.preference
        preference = preference_messages.decode_preference(message, subject(message.user_id, "preference.user_id"))
        await self._preferences.set(preference)
        return preference_messages.encode_preference(preference)
