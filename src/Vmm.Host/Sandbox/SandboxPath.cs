namespace Vmm.Host.Sandbox;

/// <summary>A place in the file system that a sandbox leaves open.</summary>
/// <param name="Path">A file or folder; ignored when it does not exist.</param>
/// <param name="Access">What for.</param>
public readonly record struct SandboxPath(string Path, SandboxAccess Access);
