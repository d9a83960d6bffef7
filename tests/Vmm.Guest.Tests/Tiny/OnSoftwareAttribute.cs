using System.Reflection;
using Xunit.Sdk;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>A row of a theory that runs on the software CPU: its name comes first, then the values.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class OnSoftwareAttribute(params object[] values) : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Accelerators.Software, .. values]];
}
