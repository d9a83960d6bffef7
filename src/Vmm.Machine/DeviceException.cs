namespace Vmm.Machine;

/// <summary>A device cannot be added, changed or removed as asked. The message is one line for people.</summary>
public sealed class DeviceException(string message) : Exception(message);
