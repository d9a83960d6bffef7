namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>A back end is gone, does not answer, or refuses.</summary>
public sealed class VhostUserException(string message) : Exception(message);
