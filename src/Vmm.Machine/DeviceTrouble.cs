namespace Vmm.Machine;

/// <summary>A device fails its guest.</summary>
/// <param name="Device">The device's id.</param>
/// <param name="IsStorage">A disk's image could not be read or written; else the device itself is broken.</param>
/// <param name="Message">One line for people.</param>
/// <param name="Failure">The request, where it is about one.</param>
public sealed record DeviceTrouble(string Device, bool IsStorage, string Message, DiskFailure? Failure = null);
